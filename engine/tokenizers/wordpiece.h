// WordPiece: splits a word into the longest known pieces, from the left. Source: "Google's Neural Machine
// Translation System" (Wu et al. 2016), as BERT does it.
#ifndef KPRUNE_ENGINE_TOKENIZERS_WORDPIECE_H_
#define KPRUNE_ENGINE_TOKENIZERS_WORDPIECE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/tokenizers/byte_trie.h"
#include "engine/tokenizers/model.h"

namespace kprune {

struct WordPieceOptions {
  std::string unk_token = "[UNK]";
  std::string continuing_subword_prefix = "##";
  // Longer words become unk_token.
  int max_input_chars_per_word = 100;
};

// Thread-safe: immutable.
class WordPiece : public Model {
 public:
  // `vocabulary` holds options.unk_token.
  WordPiece(Vocabulary vocabulary, const WordPieceOptions& options);

  // unk_token alone where no split into known pieces is found.
  void Tokenize(std::string_view word, TokenSink& tokens) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  // Constant after construction.
  const Vocabulary vocabulary_;
  const size_t max_input_chars_per_word_;
  const int32_t unk_id_;
  const ByteTrie first_;         // pieces that a word may begin with
  const ByteTrie continuation_;  // the others, without their prefix
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_WORDPIECE_H_
