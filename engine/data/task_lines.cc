#include "engine/data/task_lines.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/data/sample_files.h"
#include "engine/formats/json.h"
#include "engine/formats/json_fields.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

bool IsBlank(const std::string& text) {
  const std::u32string decoded = DecodeUtf8(text);
  return std::all_of(decoded.begin(), decoded.end(), IsWhitespace);
}

// A text and perhaps its partner.
absl::StatusOr<Encoding> EncodeTextLine(const RecordFields& fields, const LineSource& source) {
  absl::StatusOr<const std::string*> text = TextField(fields, "text");
  if (!text.ok()) return text.status();
  absl::StatusOr<const std::string*> pair = TextField(fields, "text_pair");
  if (!pair.ok()) return pair.status();
  return EncodeTexts(**text, *pair, source);
}

// The same, some of whose tokens are masked.
absl::StatusOr<std::vector<Sample>> ReadMaskedLine(const RecordFields& fields, const LineSource& source) {
  absl::StatusOr<Encoding> encoding = EncodeTextLine(fields, source);
  if (!encoding.ok()) return encoding.status();
  const std::vector<int32_t> places = PlacesOfTexts(*encoding);
  absl::StatusOr<Sample> sample = ToSample(*std::move(encoding), source.limits);
  if (!sample.ok()) return sample.status();
  absl::Status status = MaskTokens(places, source.limits, source.file, source.line, *sample);
  if (!status.ok()) return status;
  return std::vector<Sample>{*std::move(sample)};
}

}  // namespace

absl::StatusOr<std::vector<Sample>> ReadLine(const RecordFields& fields, const LineSource& source) {
  switch (source.limits.label_kind) {
    case LabelKind::kTokenClass:
      return ReadTokenLine(fields, source);
    case LabelKind::kSpan:
      return ReadQuestionLine(fields, source);
    case LabelKind::kMaskedToken:
      return ReadMaskedLine(fields, source);
    case LabelKind::kChoice:
      return ReadChoiceLine(fields, source);
    case LabelKind::kAny:
    case LabelKind::kClass:
    case LabelKind::kMultiLabel:
    case LabelKind::kRegression:
      break;
  }
  return ReadTextLine(fields, source);
}

absl::StatusOr<std::vector<Sample>> ReadTextLine(const RecordFields& fields, const LineSource& source) {
  absl::StatusOr<Encoding> encoding = EncodeTextLine(fields, source);
  if (!encoding.ok()) return encoding.status();
  absl::StatusOr<Sample> sample = ToSample(*std::move(encoding), source.limits);
  if (!sample.ok()) return sample.status();
  absl::StatusOr<std::vector<double>> labels = LabelField(fields, source.limits);
  if (!labels.ok()) return labels.status();
  sample->labels = *std::move(labels);
  return std::vector<Sample>{*std::move(sample)};
}

absl::StatusOr<const std::string*> TextField(const RecordFields& fields, std::string_view role) {
  const Column* column = fields.Find(role);
  if (column == nullptr) return nullptr;
  if (!column->value.is_string()) {
    return RefuseLine(absl::StrCat(column->name, " is ", Described(column->value), ", accepted is a string"));
  }
  const std::string& text = column->value.get_ref<const std::string&>();
  if (IsBlank(text)) return RefuseLine(absl::StrCat(column->name, " is empty: remove the line"));
  return &text;
}

absl::StatusOr<Json> ListField(const Column& column) {
  if (column.value.is_array()) return column.value;
  if (!column.value.is_string())
    return RefuseLine(absl::StrCat(column.name, " is ", Described(column.value), ", accepted is a list"));
  const std::string& text = column.value.get_ref<const std::string&>();
  if (absl::StatusOr<Json> json = ParseJson(text, column.name); json.ok() && json->is_array()) return json;
  Json words = Json::array();
  for (const absl::string_view word : absl::StrSplit(text, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty()))
    words.push_back(std::string(word));
  return words;
}

absl::StatusOr<std::vector<double>> LabelField(const RecordFields& fields, const SampleLimits& limits) {
  const Column* column = fields.Find("label");
  if (column == nullptr) return std::vector<double>();
  const Json& label = column->value;
  const bool one_class = limits.label_kind == LabelKind::kClass;
  if (one_class && (label == -1 || label == "-1") && !limits.label2id.contains("-1"))
    return std::vector<double>();
  if (limits.label_kind == LabelKind::kAny && label.is_string()) return std::vector<double>();
  absl::StatusOr<std::vector<double>> labels = ReadLabel(label, limits);
  if (labels.ok() || column->name == "label") return labels;
  return RefuseLine(absl::StrCat(column->name, ": ", labels.status().message()));
}

absl::Status CheckRoom(const SampleLimits& limits, int special) {
  if (LongestSequence(limits) > special) return absl::OkStatus();
  return RefuseLine(absl::StrCat("max_length is ", LongestSequence(limits), ", but ", special,
                                 " special tokens leave no room for the text"));
}

absl::StatusOr<Sample> ToSample(Encoding encoding, const SampleLimits& limits) {
  if (encoding.content_tokens == 0) return RefuseLine("the text has no token: remove the line");
  Sample sample;
  sample.input_ids = std::move(encoding.input_ids);
  sample.token_type_ids = std::move(encoding.token_type_ids);
  if (absl::Status status = CheckTokens(limits, sample); !status.ok()) return status;
  return sample;
}

absl::StatusOr<Encoding> EncodeTexts(const std::string& text, const std::string* pair,
                                     const LineSource& source) {
  absl::Status room = CheckRoom(source.limits, source.tokenizer.special_tokens(pair != nullptr));
  if (!room.ok()) return room;
  std::optional<std::string_view> second;
  if (pair != nullptr) second = *pair;
  const int32_t longest = LongestSequence(source.limits);
  Encoding encoding = source.tokenizer.Encode(text, second, longest, source.limits.truncation);
  const size_t tokens = encoding.input_ids.size();
  if (tokens <= static_cast<size_t>(longest)) return encoding;
  const bool first = source.limits.truncation == Truncation::kOnlyFirst;
  return RefuseLine(absl::StrCat("the sequence has ", tokens, " tokens and may have ", longest,
                                 ", but truncation ", first ? "only_first" : "only_second", " cuts the ",
                                 first ? "first" : "second", " text alone, of which nothing would be left"));
}

std::vector<int32_t> PlacesOfTexts(const Encoding& encoding) {
  std::vector<int32_t> places;
  for (const Encoding::Part& part : {encoding.first, encoding.second}) {
    for (int32_t place = part.begin; place < part.end; ++place) places.push_back(place);
  }
  std::sort(places.begin(), places.end());
  return places;
}

}  // namespace kprune
