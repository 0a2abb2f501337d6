#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/formats/file.h"
#include "engine/formats/json.h"
#include "engine/formats/quoted.h"
#include "engine/tokenizers/native_files.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// A version line, then two tokens a line.
absl::StatusOr<Json> ReadMerges(const std::filesystem::path& path) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxJsonFileBytes);
  if (!text.ok()) return text.status();
  Json merges = Json::array();
  const std::vector<absl::string_view> lines = absl::StrSplit(*text, '\n');
  for (size_t line = 1; line + 1 < lines.size(); ++line) {
    const std::vector<std::string> tokens =
        absl::StrSplit(lines[line], absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (tokens.size() != 2) {
      return absl::InvalidArgumentError(absl::StrCat(path.string(), ", line ", line + 1, " has ",
                                                     tokens.size(), " tokens, accepted are two"));
    }
    merges.push_back({tokens[0], tokens[1]});
  }
  return merges;
}

// ["</s>", 2] of a special token.
absl::StatusOr<Json> TokenPair(const TokenizerConfig& config, const Json& vocabulary, const char* role,
                               const std::filesystem::path& path) {
  const std::string token = config.SpecialToken(role);
  if (vocabulary.contains(token)) return Json::array({token, vocabulary[token]});
  return absl::InvalidArgumentError(absl::StrCat(path.string(), " lacks the ", role, " ", Quoted(token)));
}

}  // namespace

absl::StatusOr<Json> ConvertMerges(const TokenizerConfig& config) {
  const std::filesystem::path vocab_path = config.folder / "vocab.json";
  absl::StatusOr<Json> vocabulary = ReadJsonFile(vocab_path);
  if (!vocabulary.ok()) return vocabulary.status();
  if (!vocabulary->is_object())
    return absl::InvalidArgumentError(absl::StrCat(vocab_path.string(), " is not an object"));
  absl::StatusOr<Json> merges = ReadMerges(config.folder / "merges.txt");
  if (!merges.ok()) return merges.status();
  JsonFields fields = config.fields();
  const bool add_prefix_space = fields.Bool("add_prefix_space", false);
  const bool trim_offsets = fields.Bool("trim_offsets", true);
  if (!fields.status().ok()) return fields.status();
  absl::StatusOr<Json> cls = TokenPair(config, *vocabulary, "cls_token", vocab_path);
  if (!cls.ok()) return cls.status();
  absl::StatusOr<Json> sep = TokenPair(config, *vocabulary, "sep_token", vocab_path);
  if (!sep.ok()) return sep.status();
  return Json{
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}}},
      {"post_processor",
       {{"type", "RobertaProcessing"},
        {"cls", *std::move(cls)},
        {"sep", *std::move(sep)},
        {"trim_offsets", trim_offsets},
        {"add_prefix_space", add_prefix_space}}},
      {"model", {{"type", "BPE"}, {"vocab", *std::move(vocabulary)}, {"merges", *std::move(merges)}}}};
}

}  // namespace kprune
