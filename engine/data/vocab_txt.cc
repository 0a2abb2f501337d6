#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/data/tokenizer_files.h"
#include "engine/data/unicode.h"
#include "engine/formats/file.h"
#include "engine/formats/json.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// A line is a token; its number, from 0, is the id.
absl::StatusOr<Vocabulary> ReadVocabulary(const std::filesystem::path& path) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxJsonFileBytes);
  if (!text.ok()) return text.status();
  Vocabulary vocabulary;
  std::string_view rest = *text;
  for (int32_t id = 0; !rest.empty(); ++id) {
    if (id > kMaxTokenId) {
      return absl::InvalidArgumentError(
          absl::StrCat(path.string(), " has more than ", kMaxTokenId, " lines"));
    }
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view token = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!token.empty() && token.back() == '\r') token.remove_suffix(1);
    vocabulary.insert_or_assign(std::string(token), id);
  }
  return vocabulary;
}

absl::StatusOr<Json> ReadOptionalObject(const std::filesystem::path& path) {
  absl::StatusOr<Json> json = ReadJsonFile(path);
  if (absl::IsNotFound(json.status())) return Json::object();
  if (json.ok() && !json->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), " is not an object"));
  }
  return json;
}

// Collects the tokens that are matched in the text, each once; later files override earlier ones' flags.
class AddedTokenCollector {
 public:
  explicit AddedTokenCollector(WordPieceParts& parts) : parts_(parts) {}

  // {"[NEW]": 30522} of added_tokens.json.
  absl::Status AddIds(const Json& ids, const std::string& what) {
    JsonFields fields(ids, what);
    for (const auto& [content, id] : ids.items()) {
      AddedToken token;
      token.content = DecodeUtf8(content);
      token.normalized = true;
      token.id = static_cast<int32_t>(fields.Int(content, -1, 0, kMaxTokenId));
      if (absl::Status status = Add(std::move(token), content, fields); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // {"30522": {"content": "[NEW]", ...}} of tokenizer_config.json.
  absl::Status AddDecoder(const Json& decoder, const std::string& what) {
    JsonFields all(decoder, what);
    if (!all.status().ok()) return all.status();
    for (const auto& [key, entry] : decoder.items()) {
      JsonFields fields(entry, absl::StrCat(what, ".", key));
      AddedToken token = ReadAddedToken(fields, true);
      if (!absl::SimpleAtoi(key, &token.id) || token.id < 0 || token.id > kMaxTokenId) {
        fields.Refuse("content", "has a key that is no token id");
      }
      if (absl::Status status = Add(std::move(token), "content", fields); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // A special token of special_tokens_map.json or tokenizer_config.json: a string, or an object with content.
  // One that is nowhere in the vocabulary is left alone: only templates need theirs.
  absl::Status AddSpecial(const Json& value, JsonFields& fields, std::string_view key) {
    AddedToken token;
    if (value.is_string()) {
      token.content = DecodeUtf8(value.get_ref<const std::string&>());
    } else {
      JsonFields entry(value, fields.Name(key));
      token = ReadAddedToken(entry, false);
      if (!entry.status().ok()) return entry.status();
    }
    const std::string text = EncodeUtf8(token.content);
    const std::optional<int32_t> id = FindId(text);
    if (!id) return absl::OkStatus();
    token.id = *id;
    token.normalized = false;
    const bool present = std::any_of(parts_.added_tokens.begin(), parts_.added_tokens.end(),
                                     [&](const AddedToken& added) { return added.content == token.content; });
    return present ? absl::OkStatus() : Add(std::move(token), key, fields);
  }

  std::optional<int32_t> FindId(const std::string& token) const {
    if (const auto found = parts_.vocabulary.find(token); found != parts_.vocabulary.end())
      return found->second;
    for (const AddedToken& added : parts_.added_tokens) {
      if (EncodeUtf8(added.content) == token) return added.id;
    }
    return std::nullopt;
  }

 private:
  absl::Status Add(AddedToken token, std::string_view key, JsonFields& fields) {
    const auto known = parts_.vocabulary.find(EncodeUtf8(token.content));
    if (known != parts_.vocabulary.end() && known->second != token.id) {
      fields.Refuse(
          key, absl::StrCat("has the id ", token.id, ", but vocab.txt gives that token ", known->second));
    }
    if (!fields.status().ok()) return fields.status();
    std::erase_if(parts_.added_tokens,
                  [&](const AddedToken& added) { return added.content == token.content; });
    parts_.added_tokens.push_back(std::move(token));
    return absl::OkStatus();
  }

  WordPieceParts& parts_;
};

}  // namespace

absl::StatusOr<WordPieceParts> ReadVocabTxt(const std::filesystem::path& folder, const Json& config) {
  WordPieceParts parts;
  const std::filesystem::path vocab_path = folder / "vocab.txt",
                              map_path = folder / "special_tokens_map.json",
                              added_path = folder / "added_tokens.json",
                              config_path = folder / "tokenizer_config.json";
  absl::StatusOr<Vocabulary> vocabulary = ReadVocabulary(vocab_path);
  if (!vocabulary.ok()) return vocabulary.status();
  parts.vocabulary = *std::move(vocabulary);

  JsonFields fields(config, config_path.string());
  BertNormalizerOptions normalizer;
  normalizer.lowercase = fields.Bool("do_lower_case", true);
  normalizer.handle_chinese_chars = fields.Bool("tokenize_chinese_chars", true);
  normalizer.strip_accents = fields.Bool("strip_accents", normalizer.lowercase);
  parts.normalizer = normalizer;
  if (!fields.status().ok()) return fields.status();

  AddedTokenCollector collector(parts);
  absl::StatusOr<Json> added = ReadOptionalObject(added_path);
  if (!added.ok()) return added.status();
  if (absl::Status status = collector.AddIds(*added, added_path.string()); !status.ok()) return status;
  if (const Json* decoder = fields.Find("added_tokens_decoder")) {
    if (absl::Status status = collector.AddDecoder(*decoder, fields.Name("added_tokens_decoder"));
        !status.ok()) {
      return status;
    }
  }

  absl::StatusOr<Json> map = ReadOptionalObject(map_path);
  if (!map.ok()) return map.status();
  JsonFields map_fields(*map, map_path.string());
  int32_t cls_id = 0, sep_id = 0;
  const std::pair<const char*, const char*> specials[] = {{"unk_token", "[UNK]"},
                                                          {"cls_token", "[CLS]"},
                                                          {"sep_token", "[SEP]"},
                                                          {"pad_token", "[PAD]"},
                                                          {"mask_token", "[MASK]"}};
  for (const auto& [key, name] : specials) {
    const Json fallback = name;
    JsonFields& source = map_fields.Find(key) != nullptr ? map_fields : fields;
    const Json& value = source.Find(key) != nullptr ? *source.Find(key) : fallback;
    if (absl::Status status = collector.AddSpecial(value, source, key); !status.ok()) return status;
    const std::string token = value.is_string() ? value.get<std::string>()
                                                : JsonFields(value, source.Name(key)).String("content", "");
    const std::optional<int32_t> id = collector.FindId(token);
    const std::string_view role = key;
    const bool needed = role == "unk_token" ? !parts.vocabulary.contains(token)
                                            : (role == "cls_token" || role == "sep_token") && !id;
    if (needed) {
      return absl::InvalidArgumentError(
          absl::StrCat(vocab_path.string(), " lacks the ", key, " ", Quoted(token)));
    }
    if (role == "unk_token") parts.model.unk_token = token;
    if (role == "cls_token") cls_id = *id;
    if (role == "sep_token") sep_id = *id;
  }
  SetBertTemplates(cls_id, sep_id, parts);
  return parts;
}

}  // namespace kprune
