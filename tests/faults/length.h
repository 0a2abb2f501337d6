// How long the fault tests run: a short form by default, so that they belong to every run of the tests, and a
// long one where the environment variable KPRUNE_FAULTS is "long" (preset "faults-long").
#ifndef KPRUNE_TESTS_FAULTS_LENGTH_H_
#define KPRUNE_TESTS_FAULTS_LENGTH_H_

#include <cstdlib>
#include <string_view>

namespace kprune::testing {

template <typename T>
T ShortOrLong(T short_form, T long_form) {
  const char* const length = std::getenv("KPRUNE_FAULTS");
  return length != nullptr && std::string_view(length) == "long" ? long_form : short_form;
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_FAULTS_LENGTH_H_
