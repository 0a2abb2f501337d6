// The alphabet of byte-level tokenizers: a printable character for each byte, so that every text has tokens.
// Source: GPT-2's table of bytes.
#ifndef KPRUNE_ENGINE_TOKENIZERS_BYTE_LEVEL_H_
#define KPRUNE_ENGINE_TOKENIZERS_BYTE_LEVEL_H_

#include <string_view>

#include "engine/tokenizers/aligned_text.h"

namespace kprune {

// Appends the bytes of `source` so written to `result`. Thread-safe: pure, as is the other.
void AppendByteLevel(const AlignedText& source, ByteRange range, AlignedText& result);

// How many characters at the beginning, and at the end, of a token are white space or stand for a blank.
struct OuterSpaces {
  int32_t leading = 0;
  int32_t trailing = 0;
};
OuterSpaces CountOuterSpaces(std::string_view token);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_BYTE_LEVEL_H_
