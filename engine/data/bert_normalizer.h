// BERT's normalisation and splitting into words. Source: the BertNormalizer and BertPreTokenizer of Hugging
// Face's tokenizers.
#ifndef KPRUNE_ENGINE_DATA_BERT_NORMALIZER_H_
#define KPRUNE_ENGINE_DATA_BERT_NORMALIZER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kprune {

struct BertNormalizerOptions {
  // Removes control characters and U+FFFD; turns white space into blanks.
  bool clean_text = true;
  // Puts blanks around Chinese characters.
  bool handle_chinese_chars = true;
  // Decomposes (NFD) and removes nonspacing marks.
  bool strip_accents = true;
  bool lowercase = true;
};

// Thread-safe: pure.
std::u32string Normalize(std::u32string text, const BertNormalizerOptions& options);

// The character of `text` that each character of Normalize(text) comes from.
std::vector<int32_t> NormalizedOrigins(std::u32string_view text, const BertNormalizerOptions& options);

// Splits at white space, which is dropped, and around every punctuation character, which is a word of its
// own. The views point into `text`.
std::vector<std::u32string_view> SplitWords(std::u32string_view text);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_BERT_NORMALIZER_H_
