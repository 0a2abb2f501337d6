// Characters as readers see them, of one code point or several (extended grapheme clusters). Source: UAX #29.
#ifndef KPRUNE_ENGINE_TOKENIZERS_GRAPHEMES_H_
#define KPRUNE_ENGINE_TOKENIZERS_GRAPHEMES_H_

#include <cstddef>
#include <string_view>

namespace kprune {

// Where the cluster that begins at `at` of a text, which is valid UTF-8, ends. Thread-safe: pure.
size_t EndOfGrapheme(std::string_view text, size_t at);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_GRAPHEMES_H_
