// Reads any bytes as a file of a model's folder.
#ifndef KPRUNE_TESTS_FUZZ_FUZZED_MODELS_H_
#define KPRUNE_TESTS_FUZZ_FUZZED_MODELS_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace kprune {

// `name` is "config.json", "modules.json", "model.safetensors" or "model.safetensors.index.json", which the
// bytes become among files that fit it. Aborts where an answer is not what ReadModelConfig and OpenCheckpoint
// promise: a refusal in a sentence, a configuration that agrees with itself, or tensors whose bytes are
// there.
void ReadAsModel(const std::string& name, const uint8_t* bytes, size_t size);

}  // namespace kprune

#endif  // KPRUNE_TESTS_FUZZ_FUZZED_MODELS_H_
