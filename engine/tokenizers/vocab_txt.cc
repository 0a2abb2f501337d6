#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "engine/formats/file.h"
#include "engine/formats/json.h"
#include "engine/formats/quoted.h"
#include "engine/tokenizers/native_files.h"
#include "engine/tokenizers/template_json.h"
#include "engine/tokenizers/unicode.h"
#include "engine/tokenizers/vocabulary.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

absl::StatusOr<Json> ReadVocabulary(const std::filesystem::path& path) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxJsonFileBytes);
  if (!text.ok()) return text.status();
  Json vocabulary = Json::object();
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
    vocabulary[RepairUtf8(token)] = id;
  }
  return vocabulary;
}

}  // namespace

absl::StatusOr<Json> ConvertVocabTxt(const TokenizerConfig& config) {
  const std::filesystem::path path = config.folder / "vocab.txt";
  absl::StatusOr<Json> vocabulary = ReadVocabulary(path);
  if (!vocabulary.ok()) return vocabulary.status();

  JsonFields fields = config.fields();
  const bool lowercase = fields.Bool("do_lower_case", true);
  const bool chinese = fields.Bool("tokenize_chinese_chars", true);
  const bool accents = fields.Bool("strip_accents", lowercase);
  if (!fields.status().ok()) return fields.status();

  const std::string unk = config.SpecialToken("unk_token");
  if (!vocabulary->contains(unk)) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), " lacks the unk_token ", Quoted(unk)));
  }
  const bool mpnet = config.tokenizer_class != nullptr && config.tokenizer_class->name == "MPNet";
  absl::StatusOr<Json> templates =
      TemplatesOf(mpnet ? TemplateKind::kTwoSeparators : TemplateKind::kBert, config, *vocabulary, path);
  if (!templates.ok()) return templates.status();
  return Json{{"normalizer",
               {{"type", "BertNormalizer"},
                {"clean_text", true},
                {"handle_chinese_chars", chinese},
                {"strip_accents", accents},
                {"lowercase", lowercase}}},
              {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
              {"post_processor", *std::move(templates)},
              {"model", {{"type", "WordPiece"}, {"unk_token", unk}, {"vocab", *std::move(vocabulary)}}}};
}

}  // namespace kprune
