// The whole WordPiece pipeline: added tokens, normaliser, words, pieces, truncation, template.
#ifndef KPRUNE_ENGINE_DATA_WORDPIECE_TOKENIZER_H_
#define KPRUNE_ENGINE_DATA_WORDPIECE_TOKENIZER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/data/added_tokens.h"
#include "engine/data/bert_normalizer.h"
#include "engine/data/tokenizer.h"
#include "engine/data/wordpiece.h"

namespace kprune {

// One part of a sequence: special tokens, the first text or the second.
struct TemplatePiece {
  enum class Source { kSpecial, kFirst, kSecond };
  Source source = Source::kSpecial;
  std::vector<int32_t> ids;  // kSpecial only
  int32_t type_id = 0;
};
using Template = std::vector<TemplatePiece>;

// Everything a tokenizer is made of; what the two loaders produce.
struct WordPieceParts {
  Vocabulary vocabulary;  // holds model.unk_token
  WordPieceOptions model;
  std::optional<BertNormalizerOptions> normalizer;
  std::vector<AddedToken> added_tokens;
  Template single;  // holds kFirst once
  Template pair;    // holds kFirst and kSecond once each
  std::string mask_token = "[MASK]";
};

class WordPieceTokenizer : public Tokenizer {
 public:
  explicit WordPieceTokenizer(WordPieceParts parts);

  Encoding Encode(std::string_view text, std::optional<std::string_view> pair, int max_length) const override;
  TextTokens EncodeText(std::string_view text) const override;
  Encoding Frame(absl::Span<const int32_t> first,
                 std::optional<absl::Span<const int32_t>> second) const override;
  int special_tokens(bool pair) const override;
  int32_t vocab_size() const override { return vocab_size_; }
  std::optional<int32_t> mask_id() const override { return Id(mask_token_); }
  std::optional<int32_t> Id(std::string_view token) const override;

 private:
  // Ids of one text, neither truncated nor with special tokens around them; and what they stand for, unless
  // `spans` is null.
  std::vector<int32_t> IdsOf(std::string_view text, std::vector<TextSpan>* spans) const;
  std::u32string NormalizeText(std::u32string text) const;

  // Constant after construction.
  const std::optional<BertNormalizerOptions> normalizer_;
  const std::string mask_token_;
  const Template single_;
  const Template pair_;
  std::vector<AddedToken> added_tokens_;
  AddedTokenMatcher in_text_;        // those matched in the text as it came
  AddedTokenMatcher in_normalized_;  // those matched after normalisation
  const WordPiece model_;
  int32_t vocab_size_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_WORDPIECE_TOKENIZER_H_
