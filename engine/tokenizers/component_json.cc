#include "engine/tokenizers/component_json.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/formats/quoted.h"

namespace kprune {

absl::Status RefuseChoice(std::string_view name, std::string_view found,
                          absl::Span<const std::string_view> accepted) {
  std::string names;
  for (size_t i = 0; i < accepted.size(); ++i) {
    const char* before = i == 0 ? "" : i + 1 == accepted.size() ? " and " : ", ";
    absl::StrAppend(&names, before, Quoted(accepted[i]));
  }
  return absl::UnimplementedError(absl::StrCat(std::string(name), " is ", Quoted(found), ", accepted ",
                                               accepted.size() == 1 ? "is " : "are ", names));
}

absl::StatusOr<TextPattern> ReadPattern(JsonFields& fields, std::string_view key) {
  const nlohmann::json* json = fields.Require(key);
  if (json == nullptr) return fields.status();
  JsonFields pattern(*json, fields.Name(key));
  if (!pattern.status().ok()) return pattern.status();
  const nlohmann::json *text = pattern.Find("String"), *regex = pattern.Find("Regex");
  if ((text != nullptr) == (regex != nullptr)) {
    fields.Refuse(key, "has neither \"String\" nor \"Regex\" alone");
    return fields.status();
  }
  std::string value = pattern.String(text != nullptr ? "String" : "Regex", "");
  if (!pattern.status().ok()) return pattern.status();
  if (text != nullptr) return TextPattern(std::move(value));
  absl::StatusOr<Regex> compiled = Regex::Compile(value, fields.Name(key));
  if (!compiled.ok()) return compiled.status();
  return TextPattern(*std::move(compiled));
}

bool IsTokenId(const nlohmann::json& id) {
  if (id.is_number_unsigned()) return id.get<uint64_t>() <= kMaxTokenId;
  return id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() <= kMaxTokenId;
}

}  // namespace kprune
