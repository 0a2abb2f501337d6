#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/formats/quoted.h"
#include "engine/tokenizers/bpe.h"
#include "engine/tokenizers/component_json.h"
#include "engine/tokenizers/unigram.h"
#include "engine/tokenizers/word_level.h"
#include "engine/tokenizers/wordpiece.h"

namespace kprune {
namespace {

using Json = nlohmann::json;
using ModelResult = absl::StatusOr<std::unique_ptr<Model>>;

constexpr std::array<std::string_view, 4> kModelTypes = {"BPE", "Unigram", "WordLevel", "WordPiece"};

// Files of old versions name no type.
std::string TypeOf(JsonFields& fields) {
  const Json* vocab = fields.Find("vocab");
  const char* untyped = fields.Find("merges") != nullptr                     ? "BPE"
                        : fields.Find("max_input_chars_per_word") != nullptr ? "WordPiece"
                        : vocab != nullptr && vocab->is_array()              ? "Unigram"
                                                                             : "";
  return fields.String("type", untyped);
}

absl::StatusOr<Vocabulary> ReadVocabulary(JsonFields& model) {
  const Json* json = model.Require("vocab");
  if (json == nullptr) return model.status();
  const std::string name = model.Name("vocab");
  JsonFields fields(*json, name);
  if (!fields.status().ok()) return fields.status();
  Vocabulary vocabulary;
  for (const auto& [token, id] : json->items()) {
    if (!IsTokenId(id)) {
      return absl::InvalidArgumentError(absl::StrCat(name, " gives ", Quoted(token), " the id ",
                                                     Described(id), ", accepted is a whole number from 0 to ",
                                                     kMaxTokenId));
    }
    vocabulary.Set(token, id.get<int32_t>());
  }
  return vocabulary;
}

absl::Status CheckUnknown(const Vocabulary& vocabulary, const std::string& unk_token,
                          const JsonFields& model) {
  if (vocabulary.Find(unk_token)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(model.Name("vocab"), " lacks the unk_token ", Quoted(unk_token)));
}

ModelResult ReadWordPiece(JsonFields& fields) {
  WordPieceOptions options;
  options.unk_token = fields.String("unk_token", "[UNK]");
  options.continuing_subword_prefix = fields.String("continuing_subword_prefix", "##");
  options.max_input_chars_per_word =
      static_cast<int>(fields.Int("max_input_chars_per_word", 100, 1, 1'000'000));
  if (!fields.status().ok()) return fields.status();
  absl::StatusOr<Vocabulary> vocabulary = ReadVocabulary(fields);
  if (!vocabulary.ok()) return vocabulary.status();
  if (absl::Status status = CheckUnknown(*vocabulary, options.unk_token, fields); !status.ok()) return status;
  return std::make_unique<WordPiece>(*std::move(vocabulary), options);
}

ModelResult ReadWordLevel(JsonFields& fields) {
  const std::string unk_token = fields.String("unk_token", "<unk>");
  if (!fields.status().ok()) return fields.status();
  absl::StatusOr<Vocabulary> vocabulary = ReadVocabulary(fields);
  if (!vocabulary.ok()) return vocabulary.status();
  if (absl::Status status = CheckUnknown(*vocabulary, unk_token, fields); !status.ok()) return status;
  const int32_t unk_id = *vocabulary->Find(unk_token);
  return std::make_unique<WordLevel>(*std::move(vocabulary), unk_id);
}

// ["a b", ...] or [["a", "b"], ...].
using Merges = std::vector<std::pair<std::string, std::string>>;
absl::StatusOr<Merges> ReadMerges(JsonFields& model) {
  const Json* json = model.Require("merges");
  if (json != nullptr && !json->is_array()) model.Refuse("merges", "is not an array");
  if (!model.status().ok()) return model.status();
  Merges merges;
  merges.reserve(json->size());
  for (const Json& merge : *json) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const size_t blank = text.find(' ');
    if (blank == std::string::npos || text.find(' ', blank + 1) != std::string::npos) {
      model.Refuse("merges", absl::StrCat("has ", Described(merge), " as merge ", merges.size() + 1,
                                          ", accepted are two tokens"));
      return model.status();
    }
    merges.emplace_back(text.substr(0, blank), text.substr(blank + 1));
  }
  return merges;
}

ModelResult ReadBpe(JsonFields& fields, std::string_view what) {
  BpeOptions options;
  if (fields.Find("unk_token") != nullptr) options.unk_token = fields.String("unk_token", "");
  options.continuing_subword_prefix = fields.String("continuing_subword_prefix", "");
  options.end_of_word_suffix = fields.String("end_of_word_suffix", "");
  options.fuse_unk = fields.Bool("fuse_unk", false);
  options.byte_fallback = fields.Bool("byte_fallback", false);
  options.ignore_merges = fields.Bool("ignore_merges", false);
  const Json* dropout = fields.Find("dropout");
  if (dropout != nullptr && !(dropout->is_number() && *dropout == 0)) {
    return absl::UnimplementedError(absl::StrCat(fields.Name("dropout"), " is ", Described(*dropout),
                                                 ", accepted is null: the same text must always "
                                                 "have the same tokens"));
  }
  if (!fields.status().ok()) return fields.status();
  absl::StatusOr<Vocabulary> vocabulary = ReadVocabulary(fields);
  if (!vocabulary.ok()) return vocabulary.status();
  absl::StatusOr<Merges> merges = ReadMerges(fields);
  if (!merges.ok()) return merges.status();
  absl::StatusOr<Bpe> bpe = Bpe::Create(*std::move(vocabulary), *merges, std::move(options), what);
  if (!bpe.ok()) return bpe.status();
  return std::make_unique<Bpe>(*std::move(bpe));
}

// [["<unk>", 0.0], ["▁the", -3.2], ...]: the place is the id.
ModelResult ReadUnigram(JsonFields& fields, std::string_view what) {
  const Json* json = fields.Require("vocab");
  if (json != nullptr && !json->is_array()) fields.Refuse("vocab", "is not an array");
  const bool byte_fallback = fields.Bool("byte_fallback", false);
  std::optional<int32_t> unk_id;
  if (fields.Find("unk_id") != nullptr)
    unk_id = static_cast<int32_t>(fields.Int("unk_id", 0, 0, kMaxTokenId));
  if (!fields.status().ok()) return fields.status();
  std::vector<UnigramPiece> pieces;
  pieces.reserve(json->size());
  for (const Json& piece : *json) {
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number()) {
      fields.Refuse("vocab", absl::StrCat("has ", Described(piece), " as entry ", pieces.size(),
                                          ", accepted are arrays of a token and its score"));
      return fields.status();
    }
    pieces.push_back({piece[0].get<std::string>(), piece[1].get<double>()});
  }
  absl::StatusOr<Unigram> unigram = Unigram::Create(std::move(pieces), unk_id, byte_fallback, what);
  if (!unigram.ok()) return unigram.status();
  return std::make_unique<Unigram>(*std::move(unigram));
}

}  // namespace

ModelResult ReadModel(const Json& json, std::string_view what) {
  JsonFields fields(json, what);
  const std::string type = TypeOf(fields);
  if (!fields.status().ok()) return fields.status();
  if (type == "BPE") return ReadBpe(fields, what);
  if (type == "Unigram") return ReadUnigram(fields, what);
  if (type == "WordLevel") return ReadWordLevel(fields);
  if (type == "WordPiece") return ReadWordPiece(fields);
  return RefuseChoice(fields.Name("type"), type, kModelTypes);
}

}  // namespace kprune
