// Reads any bytes as a file of a tokenizer, or as a text that one encodes.
#ifndef KPRUNE_TESTS_FUZZ_FUZZED_TOKENIZERS_H_
#define KPRUNE_TESTS_FUZZ_FUZZED_TOKENIZERS_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace kprune {

// `name` is a file of a tokenizer ("tokenizer.json", "merges.txt", ...), which the bytes become among files
// that fit it, or "texts.KIND" for a folder of tests/input/goldens/kinds whose tokenizer encodes the bytes,
// as a text, as a pair and truncated. Aborts where an answer is not what the interfaces promise: a refusal in
// a sentence, or tokens and places within their bounds.
void ReadAsTokenizer(const std::string& name, const uint8_t* bytes, size_t size);

}  // namespace kprune

#endif  // KPRUNE_TESTS_FUZZ_FUZZED_TOKENIZERS_H_
