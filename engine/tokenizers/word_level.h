// A token for each word.
#ifndef KPRUNE_ENGINE_TOKENIZERS_WORD_LEVEL_H_
#define KPRUNE_ENGINE_TOKENIZERS_WORD_LEVEL_H_

#include <cstdint>
#include <string_view>
#include <utility>

#include "engine/tokenizers/model.h"

namespace kprune {

// Thread-safe: immutable.
class WordLevel : public Model {
 public:
  WordLevel(Vocabulary vocabulary, int32_t unk_id) : vocabulary_(std::move(vocabulary)), unk_id_(unk_id) {}

  void Tokenize(std::string_view word, TokenSink& tokens) const override {
    tokens.Add(vocabulary_.Find(word).value_or(unk_id_), 0, word.size());
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  const Vocabulary vocabulary_;
  const int32_t unk_id_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_WORD_LEVEL_H_
