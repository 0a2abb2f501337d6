// A whole tokenizer as tokenizer.json spells it.
#ifndef KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_JSON_H_
#define KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_JSON_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "engine/tokenizers/tokenizer_config.h"
#include "engine/tokenizers/tokenizer_pipeline.h"
#include "nlohmann/json.hpp"

namespace kprune {

// What `config`, that of its folder, adds and contradicts is looked at too. `native`: the JSON was made from
// older files, among which added_tokens.json counts. `what` is the file's path and begins every message;
// errors as in component_json.h. Thread-safe: pure.
absl::StatusOr<TokenizerParts> ReadTokenizerJson(const nlohmann::json& json, const TokenizerConfig& config,
                                                 bool native, std::string_view what);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_JSON_H_
