#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/formats/file.h"
#include "engine/formats/json.h"
#include "engine/tokenizers/native_files.h"
#include "engine/tokenizers/sentencepiece_model.h"
#include "engine/tokenizers/template_json.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

using Json = nlohmann::json;
using Piece = SentencepieceModel::Piece;

// A score that no path through better pieces takes.
constexpr double kNever = -100;

Json Scored(const std::string& text, double score) { return Json::array({text, score}); }

// "1," and its like, which ALBERT was trained to split.
bool IsNumberWithComma(std::string_view piece) {
  char32_t last = 0, before = 0;
  for (size_t at = 0; at < piece.size();) before = std::exchange(last, NextCharacter(piece, at));
  return last == ',' && IsNumeric(before) && CountCharacters(piece) >= 2;
}

// The vocabulary and the place of the unknown token in it. The fairseq classes put their own special tokens
// before the pieces, of which the first `dropped` are left out.
struct Pieces {
  Json vocabulary = Json::array();
  int64_t unk_id = 0;
};

Pieces FairseqPieces(const SentencepieceModel& model, bool camembert) {
  Pieces pieces;
  pieces.unk_id = 3;
  const size_t dropped = camembert ? 1 : 3;
  if (camembert) {
    for (const char* text : {"<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>"})
      pieces.vocabulary.push_back(Scored(text, 0));
    pieces.vocabulary.push_back(Scored("<unk>NOTUSED", kNever));
  } else {
    for (const char* text : {"<s>", "<pad>", "</s>", "<unk>"}) pieces.vocabulary.push_back(Scored(text, 0));
  }
  for (size_t id = dropped; id < model.pieces.size(); ++id)
    pieces.vocabulary.push_back(Scored(model.pieces[id].text, model.pieces[id].score));
  pieces.vocabulary.push_back(Scored("<mask>", 0));
  return pieces;
}

Pieces OwnPieces(const SentencepieceModel& model, bool albert) {
  Pieces pieces;
  pieces.unk_id = model.unk_id;
  for (const Piece& piece : model.pieces) {
    const double penalty = albert && IsNumberWithComma(piece.text) ? kNever : 0;
    pieces.vocabulary.push_back(Scored(piece.text, double{piece.score} + penalty));
  }
  return pieces;
}

// Control and user-defined pieces are matched in texts.
Json AddedTokens(const SentencepieceModel& model, const Json& vocabulary) {
  absl::flat_hash_map<absl::string_view, int64_t> places;  // of several the first
  for (size_t id = 0; id < vocabulary.size(); ++id)
    places.emplace(vocabulary[id][0].get_ref<const std::string&>(), static_cast<int64_t>(id));
  Json tokens = Json::array();
  for (const Piece& piece : model.pieces) {
    const bool control = piece.type == Piece::Type::kControl;
    if (!control && piece.type != Piece::Type::kUserDefined) continue;
    const auto place = places.find(piece.text);
    if (place == places.end()) continue;
    tokens.push_back(
        {{"id", place->second}, {"content", piece.text}, {"normalized", false}, {"special", control}});
  }
  return tokens;
}

Json ReplaceRuns(const char* content) {
  return {{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", content}};
}

Json ReplaceText(const char* text, const char* content) {
  return {{"type", "Replace"}, {"pattern", {{"String", text}}}, {"content", content}};
}

// Each class has an order of its own.
absl::StatusOr<Json> Normalizers(const SentencepieceModel& model, const TokenizerConfig& config) {
  const std::string_view name = config.tokenizer_class->name;
  JsonFields fields = config.fields();
  const bool lowercase = fields.Bool("do_lower_case", name == "Albert");
  const bool keep_accents = fields.Bool("keep_accents", false);
  if (!fields.status().ok()) return fields.status();
  Json steps = Json::array();
  const auto add_charsmap = [&] {
    if (model.precompiled_charsmap.empty()) return;
    steps.push_back(
        {{"type", "Precompiled"}, {"precompiled_charsmap", absl::Base64Escape(model.precompiled_charsmap)}});
  };
  if (name == "Albert") {
    steps.push_back(ReplaceText("``", "\""));
    steps.push_back(ReplaceText("''", "\""));
    if (!keep_accents) {
      steps.push_back({{"type", "NFKD"}});
      steps.push_back({{"type", "StripAccents"}});
    }
    if (lowercase) steps.push_back({{"type", "Lowercase"}});
    add_charsmap();
    steps.push_back(ReplaceRuns(" "));
  } else if (name == "DebertaV2") {
    if (lowercase) steps.push_back({{"type", "Lowercase"}});
    steps.push_back({{"type", "Strip"}});
    add_charsmap();
    steps.push_back(ReplaceRuns(" "));
  } else {
    add_charsmap();
    steps.push_back({{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}});
    steps.push_back(ReplaceRuns("▁"));
  }
  return Json{{"type", "Sequence"}, {"normalizers", std::move(steps)}};
}

absl::StatusOr<Json> PreTokenizers(const TokenizerConfig& config) {
  JsonFields fields = config.fields();
  const bool deberta = config.tokenizer_class->name == "DebertaV2";
  const bool punctuation = deberta && fields.Bool("split_by_punct", false);
  const bool add_prefix_space = fields.Bool("add_prefix_space", true);
  const bool legacy = fields.Bool("legacy", true);
  if (!fields.status().ok()) return fields.status();
  const char* scheme = !add_prefix_space ? "never" : legacy ? "always" : "first";
  Json steps = Json::array();
  if (punctuation) steps.push_back({{"type", "Punctuation"}, {"behavior", "Isolated"}});
  steps.push_back({{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", true}});
  return Json{{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

}  // namespace

absl::StatusOr<Json> ConvertSentencepiece(const TokenizerConfig& config, const std::filesystem::path& path) {
  absl::StatusOr<std::string> bytes = ReadFile(path, kMaxJsonFileBytes);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<SentencepieceModel> model = ParseSentencepieceModel(*bytes, path.string());
  if (!model.ok()) return model.status();
  if (model->type != SentencepieceModel::Type::kUnigram) {
    return absl::UnimplementedError(
        absl::StrCat(path.string(), " has the model_type ", static_cast<int>(model->type),
                     ", accepted is 1 (unigram), which all families with sentencepiece models have"));
  }
  const std::string_view name = config.tokenizer_class->name;
  const bool fairseq = name == "XLMRoberta" || name == "Camembert";
  Pieces pieces = fairseq ? FairseqPieces(*model, name == "Camembert") : OwnPieces(*model, name == "Albert");

  Json ids = Json::object();
  for (size_t id = 0; id < pieces.vocabulary.size(); ++id)
    ids[pieces.vocabulary[id][0].get<std::string>()] = id;
  absl::StatusOr<Json> templates =
      TemplatesOf(fairseq ? TemplateKind::kOneType : TemplateKind::kBert, config, ids, path);
  if (!templates.ok()) return templates.status();
  absl::StatusOr<Json> normalizers = Normalizers(*model, config);
  if (!normalizers.ok()) return normalizers.status();
  absl::StatusOr<Json> pre_tokenizers = PreTokenizers(config);
  if (!pre_tokenizers.ok()) return pre_tokenizers.status();
  Json added = AddedTokens(*model, pieces.vocabulary);
  return Json{
      {"added_tokens", std::move(added)},
      {"normalizer", *std::move(normalizers)},
      {"pre_tokenizer", *std::move(pre_tokenizers)},
      {"post_processor", *std::move(templates)},
      {"model", {{"type", "Unigram"}, {"unk_id", pieces.unk_id}, {"vocab", std::move(pieces.vocabulary)}}}};
}

}  // namespace kprune
