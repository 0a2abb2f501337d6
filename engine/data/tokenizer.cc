#include "engine/data/tokenizer.h"

#include <array>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/data/tokenizer_files.h"
#include "engine/data/wordpiece_tokenizer.h"
#include "engine/formats/json.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Files of tokenizers that are not WordPiece.
constexpr std::array kOtherKinds = {"vocab.json",      "merges.txt",
                                    "spiece.model",    "sentencepiece.bpe.model",
                                    "tokenizer.model", "sentencepiece.model"};

constexpr std::array kClasses = {"BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer",
                                 "DistilBertTokenizerFast", "PreTrainedTokenizerFast"};

// Settings of tokenizer_config.json that would change the result and are not followed.
absl::Status CheckConfig(const Json& config, const std::string& path) {
  JsonFields fields(config, path);
  const std::string name = fields.String("tokenizer_class", "BertTokenizer");
  const std::string side = fields.String("truncation_side", "right");
  const bool basic = fields.Bool("do_basic_tokenize", true);
  if (!fields.status().ok()) return fields.status();
  bool known = false;
  for (std::string_view accepted : kClasses) known = known || name == accepted;
  if (!known) {
    return absl::UnimplementedError(
        absl::StrCat(path, ": tokenizer_class is ", Quoted(name),
                     ", accepted are the tokenizers of BERT and DistilBERT (WordPiece)"));
  }
  if (side != "right") {
    return absl::UnimplementedError(
        absl::StrCat(path, ": truncation_side is ", Quoted(side), ", accepted is \"right\""));
  }
  if (!basic) {
    return absl::UnimplementedError(absl::StrCat(path, ": do_basic_tokenize is false, accepted is true"));
  }
  return absl::OkStatus();
}

// transformers lets tokenizer_config.json override tokenizer.json, the tokenizers library does not look at
// it: where they disagree, no answer is right.
absl::Status CheckAgreement(const Json& config, const std::string& path, const WordPieceParts& parts) {
  JsonFields fields(config, path);
  if (!parts.normalizer) return absl::OkStatus();
  const std::pair<const char*, bool> settings[] = {
      {"do_lower_case", parts.normalizer->lowercase},
      {"tokenize_chinese_chars", parts.normalizer->handle_chinese_chars},
      {"strip_accents", parts.normalizer->strip_accents}};
  for (const auto& [key, value] : settings) {
    if (fields.OptionalBool(key).value_or(value) != value) {
      fields.Refuse(
          key, absl::StrCat("is ", value ? "false" : "true",
                            ", but the normalizer of tokenizer.json says the opposite: make them agree"));
    }
  }
  return fields.status();
}

absl::StatusOr<WordPieceParts> ReadParts(const fs::path& folder) {
  const fs::path json_path = folder / "tokenizer.json", config_path = folder / "tokenizer_config.json";
  absl::StatusOr<Json> config = ReadJsonFile(config_path);
  if (absl::IsNotFound(config.status())) config = Json::object();
  if (!config.ok()) return config.status();

  absl::StatusOr<Json> json = ReadJsonFile(json_path);
  if (json.ok()) {
    absl::StatusOr<WordPieceParts> parts = ReadTokenizerJson(*json, json_path.string());
    if (!parts.ok()) return parts.status();
    if (absl::Status status = CheckConfig(*config, config_path.string()); !status.ok()) return status;
    if (absl::Status status = CheckAgreement(*config, config_path.string(), *parts); !status.ok())
      return status;
    return parts;
  }
  if (!absl::IsNotFound(json.status())) return json.status();

  std::error_code ignored;
  if (fs::exists(folder / "vocab.txt", ignored)) {
    if (absl::Status status = CheckConfig(*config, config_path.string()); !status.ok()) return status;
    return ReadVocabTxt(folder, *config);
  }
  for (const char* other : kOtherKinds) {
    if (fs::exists(folder / other, ignored)) {
      return absl::UnimplementedError(
          absl::StrCat(folder.string(), " has the tokenizer file ", other,
                       ", accepted are WordPiece tokenizers: tokenizer.json or vocab.txt"));
    }
  }
  return absl::NotFoundError(
      absl::StrCat(folder.string(), " has no tokenizer: tokenizer.json or vocab.txt is needed"));
}

// "mask_token", a string or an object with "content", of the files that say what special tokens are called.
absl::StatusOr<std::string> ReadMaskToken(const fs::path& folder) {
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    absl::StatusOr<Json> json = ReadJsonFile(folder / name);
    if (absl::IsNotFound(json.status())) continue;
    if (!json.ok()) return json.status();
    Json token = json->is_object() ? json->value("mask_token", Json()) : Json();
    if (token.is_object()) token = token.value("content", Json());
    if (token.is_string()) return token.get<std::string>();
  }
  return std::string("[MASK]");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const fs::path& folder) {
  absl::StatusOr<WordPieceParts> parts = ReadParts(folder);
  if (!parts.ok()) return parts.status();
  absl::StatusOr<std::string> mask_token = ReadMaskToken(folder);
  if (!mask_token.ok()) return mask_token.status();
  parts->mask_token = *std::move(mask_token);
  return std::make_unique<WordPieceTokenizer>(*std::move(parts));
}

}  // namespace kprune
