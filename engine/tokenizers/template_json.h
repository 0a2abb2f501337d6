// The "post_processor" that transformers writes for its tokenizer classes.
#ifndef KPRUNE_ENGINE_TOKENIZERS_TEMPLATE_JSON_H_
#define KPRUNE_ENGINE_TOKENIZERS_TEMPLATE_JSON_H_

#include <filesystem>

#include "absl/status/statusor.h"
#include "engine/tokenizers/tokenizer_config.h"
#include "nlohmann/json.hpp"

namespace kprune {

enum class TemplateKind {
  kBert,           // [CLS] A [SEP] and [CLS] A [SEP] B [SEP], whose last two parts have type 1
  kTwoSeparators,  // <s> A </s> and <s> A </s> </s> B </s>, whose last two parts have type 1
  kOneType,        // the same, all of type 0
};

// With the names that `config` has for cls_token and sep_token, and the ids of `vocabulary`, an object.
// INVALID_ARGUMENT, beginning with `path`, where it, added_tokens.json and added_tokens_decoder lack one.
absl::StatusOr<nlohmann::json> TemplatesOf(TemplateKind kind, const TokenizerConfig& config,
                                           const nlohmann::json& vocabulary,
                                           const std::filesystem::path& path);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_TEMPLATE_JSON_H_
