// Reads any bytes as a picture, or as what says how pictures become pixel values.
#ifndef KPRUNE_TESTS_FUZZ_FUZZED_PICTURES_H_
#define KPRUNE_TESTS_FUZZ_FUZZED_PICTURES_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace kprune {

// `name` is "picture.jpeg" or "picture.png", whose bytes a line of JSON has in base64, "pictures.jsonl" for
// such lines themselves, or "preprocessor_config.json". Aborts where an answer is not what the readers
// promise: a refusal in a sentence, or a picture of the size that the model looks at.
void ReadAsPicture(const std::string& name, const uint8_t* bytes, size_t size);

}  // namespace kprune

#endif  // KPRUNE_TESTS_FUZZ_FUZZED_PICTURES_H_
