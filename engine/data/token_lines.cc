// Lines whose tokens have labels: words with their tags, and masked tokens.
#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/data/sample_files.h"
#include "engine/data/shuffle.h"
#include "engine/data/task_lines.h"
#include "engine/formats/json_fields.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Share of tokens that are masked, as BERT was trained.
constexpr double kMasked = 0.15;

// One tag: a class, or kNoLabel.
absl::StatusOr<double> ReadTag(const Json& tag, const SampleLimits& limits) {
  if (tag.is_number_integer() && tag == kNoLabel) return static_cast<double>(kNoLabel);
  absl::StatusOr<std::vector<double>> labels = ReadLabel(tag, limits);
  if (!labels.ok()) return labels.status();
  return (*labels)[0];
}

// The labels of all words; empty where the line has none.
absl::StatusOr<std::vector<double>> ReadTags(const RecordFields& fields, size_t words,
                                             const SampleLimits& limits) {
  std::vector<double> labels;
  const Column* column = fields.Find("tags");
  if (column == nullptr) return labels;
  absl::StatusOr<Json> tags = ListField(*column);
  if (!tags.ok()) return tags.status();
  if (tags->size() != words) {
    return RefuseLine(absl::StrCat(column->name, " is an array of ", tags->size(),
                                   ", accepted is an array of ", words, ", one for every word"));
  }
  for (const Json& tag : *tags) {
    absl::StatusOr<double> label = ReadTag(tag, limits);
    if (!label.ok()) return RefuseLine(absl::StrCat(column->name, ": ", label.status().message()));
    labels.push_back(*label);
  }
  return labels;
}

// Words one after the other, and the tokens begins[i] to begins[i + 1] of each, which may be none.
struct Words {
  std::vector<int32_t> ids;
  std::vector<int32_t> begins = {0};
};

absl::StatusOr<Words> EncodeWords(const std::string& name, const Json& tokens, const Tokenizer& tokenizer) {
  if (tokens.empty()) return RefuseLine(absl::StrCat(name, " is empty: remove the line"));
  if (!tokenizer.encodes_words()) {
    return RefuseLine(absl::StrCat(
        name,
        " are words, of which the tokenizer makes other tokens than within a text: as transformers "
        "demands, set \"add_prefix_space\" to true in tokenizer_config.json, and in tokenizer.json "
        "where there is one"));
  }
  Words words;
  for (const Json& word : tokens) {
    if (!word.is_string())
      return RefuseLine(absl::StrCat(name, " holds ", Described(word), ", accepted are strings"));
    const std::vector<int32_t> ids = tokenizer.EncodeText(word.get_ref<const std::string&>()).ids;
    words.ids.insert(words.ids.end(), ids.begin(), ids.end());
    words.begins.push_back(static_cast<int32_t>(words.ids.size()));
  }
  return words;
}

}  // namespace

absl::StatusOr<std::vector<Sample>> ReadTokenLine(const RecordFields& fields, const LineSource& source) {
  const Column* column = fields.Find("tokens");
  if (column == nullptr) {
    absl::StatusOr<const std::string*> text = TextField(fields, "text");
    if (!text.ok()) return text.status();
    if (*text == nullptr) return RefuseLine("the line is empty: remove it");
    absl::StatusOr<Encoding> encoding = EncodeTexts(**text, nullptr, source);
    if (!encoding.ok()) return encoding.status();
    std::vector<int32_t> places = PlacesOfTexts(*encoding);
    absl::StatusOr<Sample> sample = ToSample(*std::move(encoding), source.limits);
    if (!sample.ok()) return sample.status();
    sample->positions = std::move(places);
    return std::vector<Sample>{*std::move(sample)};
  }
  const int special = source.tokenizer.special_tokens(/*pair=*/false);
  if (absl::Status room = CheckRoom(source.limits, special); !room.ok()) return room;
  absl::StatusOr<Json> tokens = ListField(*column);
  if (!tokens.ok()) return tokens.status();
  absl::StatusOr<Words> words = EncodeWords(column->name, *tokens, source.tokenizer);
  if (!words.ok()) return words.status();
  absl::StatusOr<std::vector<double>> labels = ReadTags(fields, tokens->size(), source.limits);
  if (!labels.ok()) return labels.status();

  const auto room = static_cast<size_t>(LongestSequence(source.limits) - special);
  // The words that are cut off, at one end or the other, have no token; of one that is cut through, the first
  // token that is left counts.
  const size_t size = words->ids.size(), kept = std::min(size, room);
  const size_t cut = source.tokenizer.truncates_left() ? size - kept : 0;
  Encoding encoding =
      source.tokenizer.Frame(absl::MakeConstSpan(words->ids).subspan(cut, kept), std::nullopt);
  const int begin = encoding.first.begin - static_cast<int>(cut);
  absl::StatusOr<Sample> sample = ToSample(std::move(encoding), source.limits);
  if (!sample.ok()) return sample.status();
  for (size_t word = 0; word < tokens->size(); ++word) {
    const int32_t at = std::max(words->begins[word], static_cast<int32_t>(cut));
    if (at >= std::min(words->begins[word + 1], static_cast<int32_t>(cut + kept))) continue;
    if (!labels->empty()) {
      if ((*labels)[word] == kNoLabel) continue;
      sample->labels.push_back((*labels)[word]);
    }
    sample->positions.push_back(begin + at);
  }
  if (sample->positions.empty()) return RefuseLine("no token has a label: remove the line");
  return std::vector<Sample>{*std::move(sample)};
}

absl::Status MaskTokens(std::vector<int32_t> places, const SampleLimits& limits, int32_t file, int64_t line,
                        Sample& sample) {
  if (!limits.mask_token_id) {
    return RefuseLine(
        "the model's tokenizer has no mask token (\"mask_token\" of tokenizer_config.json): give token ids "
        "with labels as .safetensors");
  }
  std::erase_if(places, [&](int32_t place) { return sample.input_ids[place] == *limits.mask_token_id; });
  if (places.empty()) return RefuseLine("there is no token to mask: remove the line");
  const auto masked = std::max<size_t>(1, std::lround(kMasked * static_cast<double>(places.size())));
  std::seed_seq seed{static_cast<uint64_t>(limits.seed), static_cast<uint64_t>(file),
                     static_cast<uint64_t>(line)};
  std::mt19937_64 random(seed);
  Shuffle(random, places);
  places.resize(masked);
  std::sort(places.begin(), places.end());
  for (const int32_t place : places) {
    sample.labels.push_back(sample.input_ids[place]);
    sample.input_ids[place] = *limits.mask_token_id;
  }
  sample.positions = std::move(places);
  return absl::OkStatus();
}

}  // namespace kprune
