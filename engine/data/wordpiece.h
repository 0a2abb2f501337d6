// The WordPiece model: greedy longest match of a word's pieces.
#ifndef KPRUNE_ENGINE_DATA_WORDPIECE_H_
#define KPRUNE_ENGINE_DATA_WORDPIECE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kprune {

// Lets a map of strings be searched by views.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using Vocabulary = std::unordered_map<std::string, int32_t, StringHash, std::equal_to<>>;

struct WordPieceOptions {
  std::string unk_token = "[UNK]";
  std::string continuing_subword_prefix = "##";
  // Longer words become unk_token.
  int max_input_chars_per_word = 100;
};

// Thread-safe: immutable.
class WordPiece {
 public:
  // `vocabulary` holds options.unk_token.
  WordPiece(Vocabulary vocabulary, WordPieceOptions options);

  // Appends the ids of one word, unk_token's where no split into known pieces is found; and to `lengths`,
  // unless it is null, how many characters each has.
  void Append(std::u32string_view word, std::vector<int32_t>& ids,
              std::vector<int32_t>* lengths = nullptr) const;

  std::optional<int32_t> Id(std::string_view token) const;
  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  // Constant after construction.
  const Vocabulary vocabulary_;
  const WordPieceOptions options_;
  const int32_t unk_id_;
  size_t longest_bytes_ = 0;  // of a token
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_WORDPIECE_H_
