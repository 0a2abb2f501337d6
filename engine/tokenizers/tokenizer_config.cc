#include "engine/tokenizers/tokenizer_config.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/formats/json.h"
#include "engine/formats/quoted.h"
#include "engine/tokenizers/vocabulary.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// An empty object where there is no such file.
absl::StatusOr<Json> ReadOptionalObject(const std::filesystem::path& path) {
  absl::StatusOr<Json> json = ReadJsonFile(path);
  if (absl::IsNotFound(json.status())) return Json::object();
  if (json.ok() && !json->is_object())
    return absl::InvalidArgumentError(absl::StrCat(path.string(), " is not an object"));
  return json;
}

absl::Status RefuseClass(const std::string& path, std::string_view found) {
  std::string names;
  for (const TokenizerClass& known : TokenizerClasses())
    absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(known.name));
  return absl::UnimplementedError(
      absl::StrCat(path, ": tokenizer_class is ", Quoted(found), ", accepted are the tokenizers of ", names));
}

absl::Status ReadClass(TokenizerConfig& config) {
  absl::StatusOr<Json> model = ReadOptionalObject(config.folder / "config.json");
  if (!model.ok()) return model.status();
  JsonFields model_fields(*model, (config.folder / "config.json").string()), fields = config.fields();
  config.model_vocab_size = model_fields.Int("vocab_size", 0, 0, kMaxTokenId + 1);
  const std::string type = model_fields.String("model_type", "");
  if (!model_fields.status().ok()) return model_fields.status();
  const std::string name = fields.String("tokenizer_class", "");
  if (!fields.status().ok()) return fields.status();
  config.tokenizer_class = name.empty() ? TokenizerClassOfModel(type) : FindTokenizerClass(name);
  const bool known = name.empty() || config.tokenizer_class != nullptr;
  return known ? absl::OkStatus() : RefuseClass(config.settings_path(), name);
}

absl::Status CheckSettings(TokenizerConfig& config) {
  JsonFields fields = config.fields();
  const std::string side = fields.String("truncation_side", "right");
  const bool basic = fields.Bool("do_basic_tokenize", true);
  const bool split_specials = fields.Bool("split_special_tokens", false);
  if (!fields.status().ok()) return fields.status();
  const std::string path = config.settings_path();
  if (side != "right" && side != "left") {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": truncation_side is ", Quoted(side), ", accepted are \"left\" and \"right\""));
  }
  config.truncates_left = side == "left";
  if (!basic)
    return absl::UnimplementedError(absl::StrCat(path, ": do_basic_tokenize is false, accepted is true"));
  if (split_specials)
    return absl::UnimplementedError(absl::StrCat(path, ": split_special_tokens is true, accepted is false"));
  return absl::OkStatus();
}

}  // namespace

std::string TokenizerConfig::SpecialToken(std::string_view role) const {
  for (const Json* json : {&specials, &settings}) {
    const auto found = json->find(role);
    if (found == json->end()) continue;
    const Json& token = found->is_object() && found->contains("content") ? (*found)["content"] : *found;
    if (token.is_string()) return token.get<std::string>();
  }
  if (tokenizer_class != nullptr) {
    for (const SpecialTokenDefault& special : tokenizer_class->specials) {
      if (special.role == role) return std::string(special.content);
    }
  }
  return "";
}

absl::StatusOr<TokenizerConfig> ReadTokenizerConfig(const std::filesystem::path& folder) {
  TokenizerConfig config;
  config.folder = folder;
  std::error_code error;
  config.exists = std::filesystem::exists(config.settings_path(), error);
  const std::pair<std::string, Json*> files[] = {{config.settings_path(), &config.settings},
                                                 {config.specials_path(), &config.specials},
                                                 {config.added_path(), &config.added}};
  for (const auto& [path, json] : files) {
    absl::StatusOr<Json> read = ReadOptionalObject(path);
    if (!read.ok()) return read.status();
    *json = *std::move(read);
  }
  if (absl::Status status = ReadClass(config); !status.ok()) return status;
  if (absl::Status status = CheckSettings(config); !status.ok()) return status;
  return config;
}

}  // namespace kprune
