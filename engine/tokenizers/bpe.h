// Byte-pair encoding: the characters of a word, merged two by two in the order in which the merges were
// learned. Source: "Neural Machine Translation of Rare Words with Subword Units" (Sennrich et al. 2016), as
// Hugging Face's tokenizers do it.
#ifndef KPRUNE_ENGINE_TOKENIZERS_BPE_H_
#define KPRUNE_ENGINE_TOKENIZERS_BPE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "engine/tokenizers/model.h"

namespace kprune {

struct BpeOptions {
  // What stands for characters that are not in the vocabulary; without one they are left out.
  std::optional<std::string> unk_token;
  std::string continuing_subword_prefix;  // of all characters but the first
  std::string end_of_word_suffix;         // of the last character
  bool fuse_unk = false;                  // one unk_token for neighbours
  bool byte_fallback = false;             // "<0x61>" for each byte before unk_token
  bool ignore_merges = false;             // a word that is a token is that token
};

// Thread-safe: immutable.
class Bpe : public Model {
 public:
  // Pairs of tokens, the first to be merged first. INVALID_ARGUMENT, beginning with `what`, where a merge has
  // or makes a token, or unk_token is one, that the vocabulary lacks.
  static absl::StatusOr<Bpe> Create(Vocabulary vocabulary,
                                    const std::vector<std::pair<std::string, std::string>>& merges,
                                    BpeOptions options, std::string_view what);

  void Tokenize(std::string_view word, TokenSink& tokens) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  struct Merge {
    int32_t rank = 0;
    int32_t id = 0;
  };
  // A piece of the word on the way; neighbours are linked by their places.
  struct Symbol {
    int32_t id = 0;
    int32_t previous = 0;
    int32_t next = 0;
    uint32_t size = 0;  // bytes; 0: it was merged into the one before
  };

  Bpe(Vocabulary vocabulary, BpeOptions options);

  std::vector<Symbol> Symbols(std::string_view word) const;
  bool AppendBytes(std::string_view character, std::vector<Symbol>& symbols) const;
  void MergeAll(std::vector<Symbol>& symbols) const;
  const Merge* FindMerge(const std::vector<Symbol>& symbols, int32_t at) const;
  void TokenizeByMerging(std::string_view word, TokenSink& tokens) const;

  // Constant after Create.
  Vocabulary vocabulary_;
  BpeOptions options_;
  std::optional<int32_t> unk_id_;
  std::array<std::optional<int32_t>, 256> byte_ids_;
  absl::flat_hash_map<uint64_t, Merge> merges_;  // by the two ids
  // By id: the token's own text, as a word, becomes the token. Most words are such.
  std::vector<bool> is_whole_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_BPE_H_
