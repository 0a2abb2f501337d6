// What stands beside a tokenizer in its folder: tokenizer_config.json, special_tokens_map.json,
// added_tokens.json.
#ifndef KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_CONFIG_H_
#define KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_CONFIG_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/formats/json_fields.h"
#include "engine/tokenizers/tokenizer_class.h"
#include "nlohmann/json.hpp"

namespace kprune {

struct TokenizerConfig {
  std::filesystem::path folder;
  bool exists = false;      // tokenizer_config.json; the objects are empty where their files are not there
  nlohmann::json settings;  // tokenizer_config.json
  nlohmann::json specials;  // special_tokens_map.json
  nlohmann::json added;     // added_tokens.json
  const TokenizerClass* tokenizer_class = nullptr;  // null where neither file nor model names one
  bool truncates_left = false;
  int64_t model_vocab_size = 0;  // of config.json; 0: it does not say

  std::string settings_path() const { return (folder / "tokenizer_config.json").string(); }
  std::string specials_path() const { return (folder / "special_tokens_map.json").string(); }
  std::string added_path() const { return (folder / "added_tokens.json").string(); }
  JsonFields fields() const { return JsonFields(settings, settings_path()); }

  // What a special token is called: by special_tokens_map.json, tokenizer_config.json or the class, "" where
  // none of them says.
  std::string SpecialToken(std::string_view role) const;
};

// Reads the files of a folder. INVALID_ARGUMENT: broken ones. UNIMPLEMENTED: settings that would change
// tokens and are not followed, naming what was found and what is accepted.
absl::StatusOr<TokenizerConfig> ReadTokenizerConfig(const std::filesystem::path& folder);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_CONFIG_H_
