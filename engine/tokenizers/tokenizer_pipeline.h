// A tokenizer as tokenizer.json describes it: added tokens, normaliser, words, model, truncation, template.
#ifndef KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_PIPELINE_H_
#define KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_PIPELINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/tokenizers/added_tokens.h"
#include "engine/tokenizers/byte_level.h"
#include "engine/tokenizers/model.h"
#include "engine/tokenizers/normalizer.h"
#include "engine/tokenizers/post_processor.h"
#include "engine/tokenizers/pre_tokenizer.h"
#include "engine/tokenizers/tokenizer.h"

namespace kprune {

// Everything a tokenizer is made of.
struct TokenizerParts {
  std::unique_ptr<Normalizer> normalizer;       // null: texts stay as they come
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // null: a text is one word
  std::unique_ptr<Model> model;                 // never null
  std::vector<AddedToken> added_tokens;
  PostProcessor post_processor = PlainProcessor();
  std::optional<std::string> mask_token;
  bool truncates_left = false;
  bool encodes_words = true;
};

class TokenizerPipeline : public Tokenizer {
 public:
  explicit TokenizerPipeline(TokenizerParts parts);

  Encoding Encode(std::string_view text, std::optional<std::string_view> pair, int max_length,
                  Truncation truncation) const override;
  TextTokens EncodeText(std::string_view text) const override;
  Encoding Frame(absl::Span<const int32_t> first,
                 std::optional<absl::Span<const int32_t>> second) const override;
  int special_tokens(bool pair) const override;
  bool truncates_left() const override { return parts_.truncates_left; }
  bool encodes_words() const override { return parts_.encodes_words; }
  int32_t vocab_size() const override { return vocab_size_; }
  std::optional<int32_t> mask_id() const override;
  std::optional<int32_t> Id(std::string_view token) const override;

 private:
  // The words of one text, which are words of the model or added tokens.
  WordList Words(std::string_view text, bool aligned) const;
  std::vector<int32_t> Ids(std::string_view text) const;
  TextSpan Trimmed(TextSpan span, OuterSpaces spaces, bool first) const;

  // Constant after construction.
  const TokenizerParts parts_;
  const AddedTokenMatcher in_text_;        // those matched in the text as it came
  const AddedTokenMatcher in_normalized_;  // those matched after normalisation
  absl::flat_hash_map<int32_t, OuterSpaces>
      outer_spaces_;  // of tokens that have any, where places are trimmed
  int32_t vocab_size_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_PIPELINE_H_
