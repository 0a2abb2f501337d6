// Character categories as Hugging Face's BERT normaliser and pre-tokeniser know them (Unicode 8, so that a
// text gets the same tokens here and there); sorted ranges, both ends included.
#ifndef KPRUNE_ENGINE_DATA_UNICODE_TABLES_H_
#define KPRUNE_ENGINE_DATA_UNICODE_TABLES_H_

#include <array>

namespace kprune {

struct CodeRange {
  char32_t first;
  char32_t last;
};

// What clean_text removes besides U+0000 and U+FFFD: Cc without tab and line ends, Cf, Co.
extern const std::array<CodeRange, 24> kControlRanges;

// Mn.
extern const std::array<CodeRange, 266> kNonspacingMarkRanges;

// P and the ASCII symbols.
extern const std::array<CodeRange, 156> kPunctuationRanges;

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_UNICODE_TABLES_H_
