// BERT's normalisation. Source: the BertNormalizer of Hugging Face's tokenizers.
#ifndef KPRUNE_ENGINE_TOKENIZERS_BERT_NORMALIZER_H_
#define KPRUNE_ENGINE_TOKENIZERS_BERT_NORMALIZER_H_

#include "engine/tokenizers/normalizer.h"

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

// Thread-safe: immutable.
class BertNormalizer : public Normalizer {
 public:
  explicit BertNormalizer(BertNormalizerOptions options) : options_(options) {}
  void Normalize(AlignedText& text) const override;

 private:
  const BertNormalizerOptions options_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_BERT_NORMALIZER_H_
