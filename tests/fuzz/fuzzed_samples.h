// Reads any bytes as a data file of some name, as jobs do.
#ifndef KPRUNE_TESTS_FUZZ_FUZZED_SAMPLES_H_
#define KPRUNE_TESTS_FUZZ_FUZZED_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace kprune {

// Aborts where an answer is not what ReadSamples promises: samples within the limits, or INVALID_ARGUMENT
// with a sentence of moderate length in UTF-8. The size of the bytes decides the kind of samples, so that all
// are met.
void ReadAsSamples(const std::string& name, const uint8_t* bytes, size_t size);

}  // namespace kprune

#endif  // KPRUNE_TESTS_FUZZ_FUZZED_SAMPLES_H_
