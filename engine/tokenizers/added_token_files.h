// The tokens that are matched in texts, as the files of a folder name them.
#ifndef KPRUNE_ENGINE_TOKENIZERS_ADDED_TOKEN_FILES_H_
#define KPRUNE_ENGINE_TOKENIZERS_ADDED_TOKEN_FILES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "engine/formats/json_fields.h"
#include "engine/tokenizers/added_tokens.h"
#include "engine/tokenizers/tokenizer_config.h"
#include "engine/tokenizers/vocabulary.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Collects them, each once; later ones override earlier ones' flags. Ids are those that Hugging Face's
// tokenizers give: the vocabulary's, or else the next one. INVALID_ARGUMENT where a file says another. Not
// thread-safe; borrows the vocabulary.
class AddedTokenCollector {
 public:
  explicit AddedTokenCollector(const Vocabulary& vocabulary)
      : vocabulary_(vocabulary), next_id_(static_cast<int32_t>(vocabulary.size())) {}

  // "added_tokens" of tokenizer.json.
  absl::Status AddList(JsonFields& tokenizer);

  // What tokenizer_config.json and special_tokens_map.json, and added_tokens.json where `native`, say, and
  // the special tokens of the class. Special tokens that the vocabulary lacks get ids of the model that are
  // free, and are left alone where there are none.
  absl::Status AddConfig(const TokenizerConfig& config, bool native);

  std::vector<AddedToken> Take();

 private:
  absl::Status AddIds(const nlohmann::json& ids, const std::string& what);
  absl::Status AddDecoder(const nlohmann::json& decoder, const std::string& what);
  absl::Status AddSpecial(const nlohmann::json& value, JsonFields& fields, std::string_view key,
                          const SpecialTokenDefault* fallback);
  absl::Status AddSpecials(const TokenizerConfig& config);
  absl::Status Add(AddedToken token, std::string_view key, JsonFields& fields);
  std::optional<int32_t> FindId(std::string_view token) const;

  const Vocabulary& vocabulary_;
  std::vector<AddedToken> tokens_;                   // those that were overridden have no content
  absl::flat_hash_map<std::string, size_t> places_;  // of those that were not, by content
  int32_t next_id_;                                  // of a token that is new
  int64_t model_vocab_size_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_ADDED_TOKEN_FILES_H_
