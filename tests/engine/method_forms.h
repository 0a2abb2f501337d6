// The forms of the methods that tests of all of them run.
#ifndef KPRUNE_TESTS_ENGINE_METHOD_FORMS_H_
#define KPRUNE_TESTS_ENGINE_METHOD_FORMS_H_

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_replace.h"
#include "kprune/options.h"

namespace kprune::testing {

// "kprune-auto" is method "kprune" that chooses its own setting; with "kprune-every-4" one measurement
// decides on four sublayers: two layers, so that the last of three is a remainder.
inline constexpr const char* kMethodForms[] = {"refit", "kprune", "kprune-auto", "kprune-every-4"};

inline Options InForm(Options options, const std::string& form) {
  options.method = form == "refit" ? "refit" : "kprune";
  options.auto_lambda_rep = options.auto_mu = form == "kprune-auto";
  if (form == "kprune-every-4") options.measure_every = 4;
  return options;
}

inline std::string NameOfForm(const ::testing::TestParamInfo<const char*>& info) {
  return absl::StrReplaceAll(info.param, {{"-", "_"}});
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_ENGINE_METHOD_FORMS_H_
