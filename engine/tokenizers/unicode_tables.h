// Character categories as Hugging Face's tokenizers know them, each part of them from a Unicode of its own,
// so that a text gets the same tokens here and there; sorted ranges, both ends included.
#ifndef KPRUNE_ENGINE_TOKENIZERS_UNICODE_TABLES_H_
#define KPRUNE_ENGINE_TOKENIZERS_UNICODE_TABLES_H_

#include <array>

#include "engine/tokenizers/character_set.h"

namespace kprune {

// What clean_text removes besides U+0000 and U+FFFD: Cc without tab and line ends, Cf, Co (Unicode 8).
extern const std::array<CodeRange, 24> kControlRanges;

// Mn (Unicode 8).
extern const std::array<CodeRange, 266> kNonspacingMarkRanges;

// P (Unicode 8) and the ASCII symbols.
extern const std::array<CodeRange, 156> kPunctuationRanges;

// M (Unicode 9).
extern const std::array<CodeRange, 250> kMarkRanges;

// What utf8proc does not call a word character, or a number, and they do (Unicode 16).
extern const std::array<CodeRange, 37> kNewWordRanges;
extern const std::array<CodeRange, 9> kNewNumericRanges;

// What combines, or decomposes, in utf8proc and does not with them (Unicode 9).
extern const std::array<CodeRange, 36> kNoClassRanges;
extern const std::array<CodeRange, 10> kUndecomposedRanges;

// Categories that characters have in their regular expressions (Unicode 16) and not in Oniguruma 6.9.8.
struct CategoryRange {
  char32_t first;
  char32_t last;
  const char* category;  // "Lu"
};
extern const std::array<CategoryRange, 127> kNewCategories;

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_UNICODE_TABLES_H_
