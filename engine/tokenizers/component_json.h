// The components of a tokenizer as tokenizer.json spells them. Every reader refuses what it does not know by
// name: INVALID_ARGUMENT for broken fields, UNIMPLEMENTED for a type or setting that is not supported, naming
// what was found and what is accepted. `what` begins every message. Thread-safe: pure functions.
#ifndef KPRUNE_ENGINE_TOKENIZERS_COMPONENT_JSON_H_
#define KPRUNE_ENGINE_TOKENIZERS_COMPONENT_JSON_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/formats/json_fields.h"
#include "engine/tokenizers/model.h"
#include "engine/tokenizers/normalizer.h"
#include "engine/tokenizers/post_processor.h"
#include "engine/tokenizers/pre_tokenizer.h"
#include "engine/tokenizers/text_patterns.h"
#include "nlohmann/json.hpp"

namespace kprune {

absl::StatusOr<std::unique_ptr<Normalizer>> ReadNormalizer(const nlohmann::json& json, std::string_view what);
absl::StatusOr<std::unique_ptr<PreTokenizer>> ReadPreTokenizer(const nlohmann::json& json,
                                                               std::string_view what);
absl::StatusOr<std::unique_ptr<Model>> ReadModel(const nlohmann::json& json, std::string_view what);
absl::StatusOr<PostProcessor> ReadPostProcessor(const nlohmann::json& json, std::string_view what);

// {"String": ...} or {"Regex": ...}.
absl::StatusOr<TextPattern> ReadPattern(JsonFields& fields, std::string_view key);

// One of `accepted` for a string field. UNIMPLEMENTED where it is another.
absl::Status RefuseChoice(std::string_view name, std::string_view found,
                          absl::Span<const std::string_view> accepted);

// The array `key`, each of whose entries `read` turns into a component.
template <typename Component, typename Read>
absl::StatusOr<std::vector<std::unique_ptr<Component>>> ReadSteps(JsonFields& fields, std::string_view key,
                                                                  Read read) {
  std::vector<std::unique_ptr<Component>> steps;
  const nlohmann::json* entries = fields.Require(key);
  if (entries != nullptr && !entries->is_array()) fields.Refuse(key, "is not an array");
  if (!fields.status().ok()) return fields.status();
  for (const nlohmann::json& entry : *entries) {
    auto step = read(entry, fields.Name(key) + "[" + std::to_string(steps.size()) + "]");
    if (!step.ok()) return step.status();
    steps.push_back(*std::move(step));
  }
  return steps;
}

// Whether a JSON value is a token id.
bool IsTokenId(const nlohmann::json& id);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_COMPONENT_JSON_H_
