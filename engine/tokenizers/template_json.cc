#include "engine/tokenizers/template_json.h"

#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

std::optional<int64_t> IdOf(const std::string& token, const TokenizerConfig& config, const Json& vocabulary) {
  for (const Json* ids : {&vocabulary, &config.added}) {
    const auto found = ids->find(token);
    if (found != ids->end() && found->is_number_integer()) return found->get<int64_t>();
  }
  const auto decoder = config.settings.find("added_tokens_decoder");
  if (decoder == config.settings.end() || !decoder->is_object()) return std::nullopt;
  for (const auto& [key, entry] : decoder->items()) {
    int64_t id = 0;
    const bool same = entry.is_object() && entry.contains("content") && entry["content"] == token;
    if (same && absl::SimpleAtoi(key, &id)) return id;
  }
  return std::nullopt;
}

Json Special(const std::string& token, int type_id) {
  return {{"SpecialToken", {{"id", token}, {"type_id", type_id}}}};
}

Json Sequence(const char* name, int type_id) { return {{"Sequence", {{"id", name}, {"type_id", type_id}}}}; }

}  // namespace

absl::StatusOr<Json> TemplatesOf(TemplateKind kind, const TokenizerConfig& config, const Json& vocabulary,
                                 const std::filesystem::path& path) {
  Json specials = Json::object();
  for (const char* role : {"cls_token", "sep_token"}) {
    const std::string token = config.SpecialToken(role);
    const std::optional<int64_t> id = IdOf(token, config, vocabulary);
    if (!id) {
      return absl::InvalidArgumentError(absl::StrCat(path.string(), " lacks the ", role, " ", Quoted(token)));
    }
    specials[token] = {{"id", token}, {"ids", {*id}}, {"tokens", {token}}};
  }
  const std::string cls = config.SpecialToken("cls_token"), sep = config.SpecialToken("sep_token");
  const int type = kind == TemplateKind::kOneType ? 0 : 1;
  const Json single = {Special(cls, 0), Sequence("A", 0), Special(sep, 0)};
  Json pair = single;
  if (kind != TemplateKind::kBert) pair.push_back(Special(sep, 0));
  pair.push_back(Sequence("B", type));
  pair.push_back(Special(sep, type));
  return Json{{"type", "TemplateProcessing"},
              {"single", single},
              {"pair", std::move(pair)},
              {"special_tokens", std::move(specials)}};
}

}  // namespace kprune
