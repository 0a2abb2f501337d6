#include <array>
#include <optional>
#include <utility>

#include "engine/tokenizers/byte_level_split.h"
#include "engine/tokenizers/character_splits.h"
#include "engine/tokenizers/component_json.h"
#include "engine/tokenizers/metaspace.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

using Json = nlohmann::json;
using PreTokenizerResult = absl::StatusOr<std::unique_ptr<PreTokenizer>>;

constexpr std::array<std::string_view, 10> kPreTokenizerTypes = {
    "BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits",         "Metaspace", "Punctuation",
    "Sequence",         "Split",     "Whitespace",         "WhitespaceSplit"};

constexpr std::pair<std::string_view, SplitBehavior> kBehaviors[] = {
    {"Removed", SplitBehavior::kRemoved},
    {"Isolated", SplitBehavior::kIsolated},
    {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
    {"MergedWithNext", SplitBehavior::kMergedWithNext},
    {"Contiguous", SplitBehavior::kContiguous}};

constexpr std::pair<std::string_view, PrependScheme> kPrependSchemes[] = {
    {"always", PrependScheme::kAlways}, {"first", PrependScheme::kFirst}, {"never", PrependScheme::kNever}};

template <typename Value, size_t N>
absl::StatusOr<Value> ReadChoice(JsonFields& fields, std::string_view key, std::string_view fallback,
                                 const std::pair<std::string_view, Value> (&choices)[N]) {
  const std::string name = fields.String(key, fallback);
  if (!fields.status().ok()) return fields.status();
  std::vector<std::string_view> accepted;
  for (const auto& [choice, value] : choices) {
    if (choice == name) return value;
    accepted.push_back(choice);
  }
  return RefuseChoice(fields.Name(key), name, accepted);
}

PreTokenizerResult ReadByteLevel(JsonFields& fields) {
  const bool add_prefix_space = fields.Bool("add_prefix_space", true);
  const bool use_regex = fields.Bool("use_regex", true);
  if (!fields.status().ok()) return fields.status();
  return std::make_unique<ByteLevelSplit>(add_prefix_space, use_regex);
}

// One character.
std::string ReadCharacter(JsonFields& fields, std::string_view key) {
  std::string character = fields.String(key, "");
  if (CountCharacters(character) != 1) fields.Refuse(key, "is not one character");
  return character;
}

PreTokenizerResult ReadMetaspace(JsonFields& fields) {
  std::string replacement = ReadCharacter(fields, "replacement");
  absl::StatusOr<PrependScheme> prepend = ReadChoice(fields, "prepend_scheme", "always", kPrependSchemes);
  if (!prepend.ok()) return prepend.status();
  const bool split = fields.Bool("split", true);
  const bool adds = fields.Bool("add_prefix_space", true);  // of older files
  if (!adds && *prepend != PrependScheme::kNever)
    fields.Refuse("add_prefix_space", "is false, but prepend_scheme is not \"never\"");
  if (!fields.status().ok()) return fields.status();
  return std::make_unique<MetaspaceSplit>(std::move(replacement), *prepend, split);
}

PreTokenizerResult ReadSplit(JsonFields& fields) {
  absl::StatusOr<TextPattern> pattern = ReadPattern(fields, "pattern");
  if (!pattern.ok()) return pattern.status();
  fields.Require("behavior");
  absl::StatusOr<SplitBehavior> behavior = ReadChoice(fields, "behavior", "", kBehaviors);
  if (!behavior.ok()) return behavior.status();
  const bool invert = fields.Bool("invert", false);
  if (!fields.status().ok()) return fields.status();
  return std::make_unique<PatternSplit>(*std::move(pattern), *behavior, invert);
}

PreTokenizerResult ReadPunctuation(JsonFields& fields) {
  absl::StatusOr<SplitBehavior> behavior = ReadChoice(fields, "behavior", "Isolated", kBehaviors);
  if (!behavior.ok()) return behavior.status();
  return std::make_unique<PunctuationSplit>(*behavior);
}

PreTokenizerResult ReadDigits(JsonFields& fields) {
  const bool individual = fields.Bool("individual_digits", false);
  if (!fields.status().ok()) return fields.status();
  return std::make_unique<DigitSplit>(individual);
}

PreTokenizerResult ReadDelimiter(JsonFields& fields) {
  const std::string delimiter = ReadCharacter(fields, "delimiter");
  if (!fields.status().ok()) return fields.status();
  size_t at = 0;
  return std::make_unique<DelimiterSplit>(NextCharacter(delimiter, at));
}

PreTokenizerResult ReadPreTokenizers(JsonFields& fields) {
  auto steps = ReadSteps<PreTokenizer>(fields, "pretokenizers", ReadPreTokenizer);
  if (!steps.ok()) return steps.status();
  return std::make_unique<PreTokenizerSequence>(*std::move(steps));
}

}  // namespace

PreTokenizerResult ReadPreTokenizer(const Json& json, std::string_view what) {
  JsonFields fields(json, what);
  const std::string type = fields.String("type", "");
  if (!fields.status().ok()) return fields.status();
  if (type == "BertPreTokenizer") return std::make_unique<BertSplit>();
  if (type == "ByteLevel") return ReadByteLevel(fields);
  if (type == "CharDelimiterSplit") return ReadDelimiter(fields);
  if (type == "Digits") return ReadDigits(fields);
  if (type == "Metaspace") return ReadMetaspace(fields);
  if (type == "Punctuation") return ReadPunctuation(fields);
  if (type == "Sequence") return ReadPreTokenizers(fields);
  if (type == "Split") return ReadSplit(fields);
  if (type == "Whitespace") return std::make_unique<WordSplit>();
  if (type == "WhitespaceSplit") return std::make_unique<WhitespaceSplit>();
  return RefuseChoice(fields.Name("type"), type, kPreTokenizerTypes);
}

}  // namespace kprune
