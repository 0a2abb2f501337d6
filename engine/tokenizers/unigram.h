// Unigram language model: the most likely split of a word into pieces. Source: "Subword Regularization" (Kudo
// 2018) and sentencepiece, as Hugging Face's tokenizers do it.
#ifndef KPRUNE_ENGINE_TOKENIZERS_UNIGRAM_H_
#define KPRUNE_ENGINE_TOKENIZERS_UNIGRAM_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenizers/byte_trie.h"
#include "engine/tokenizers/model.h"

namespace kprune {

struct UnigramPiece {
  std::string token;
  double score = 0;  // logarithm of its probability
};

// Thread-safe: immutable.
class Unigram : public Model {
 public:
  // The ids are the places of `pieces`. `byte_fallback`: "<0x61>" for each byte of what is unknown, where the
  // vocabulary has all of them. INVALID_ARGUMENT, beginning with `what`, where `unk_id` is missing or none.
  static absl::StatusOr<Unigram> Create(std::vector<UnigramPiece> pieces, std::optional<int32_t> unk_id,
                                        bool byte_fallback, std::string_view what);

  void Tokenize(std::string_view word, TokenSink& tokens) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  // The best way to some place of the word: its last piece, and what it is worth.
  struct Node {
    double score = 0;
    int32_t id = -1;
    int32_t begin = -1;  // of that piece; -1: the place is not reached
  };

  Unigram(Vocabulary vocabulary, std::vector<double> scores, int32_t unk_id, bool byte_fallback);
  void AppendUnknown(std::string_view word, ByteRange range, TokenSink& tokens) const;

  // Constant after Create.
  Vocabulary vocabulary_;
  std::vector<double> scores_;  // by id
  double unknown_score_ = 0;
  int32_t unk_id_ = 0;
  std::array<int32_t, 256> byte_ids_;  // -1: the vocabulary lacks it, or it is not used
  ByteTrie trie_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_UNIGRAM_H_
