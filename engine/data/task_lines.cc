#include "engine/data/task_lines.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/data/sample_files.h"
#include "engine/tokenizers/unicode.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

bool IsBlank(const std::string& text) {
  const std::u32string decoded = DecodeUtf8(text);
  return std::all_of(decoded.begin(), decoded.end(), IsWhitespace);
}

std::string Keys(const Json& json) {
  std::string keys;
  for (const auto& [key, value] : json.items()) {
    if (keys.size() < 200) absl::StrAppend(&keys, keys.empty() ? "" : ", ", Quoted(key));
  }
  return keys.empty() ? "nothing" : keys;
}

absl::Status RefuseMissing(const Json& json, const char* key) {
  return RefuseLine(absl::StrCat("there is no \"", key, "\" (found: ", Keys(json), ")"));
}

// A text and perhaps its partner.
absl::StatusOr<Encoding> EncodeTextLine(const Json& json, const LineSource& source) {
  absl::StatusOr<const std::string*> text = TextField(json, "text");
  if (!text.ok()) return text.status();
  absl::StatusOr<const std::string*> pair = TextField(json, "text_pair");
  if (!pair.ok()) return pair.status();
  if (*text == nullptr) return RefuseMissing(json, "text");
  return EncodeTexts(**text, *pair, source);
}

// The same, some of whose tokens are masked.
absl::StatusOr<std::vector<Sample>> ReadMaskedLine(const Json& json, const LineSource& source) {
  absl::StatusOr<Encoding> encoding = EncodeTextLine(json, source);
  if (!encoding.ok()) return encoding.status();
  const std::vector<int32_t> places = PlacesOfTexts(*encoding);
  absl::StatusOr<Sample> sample = ToSample(*std::move(encoding), source.limits);
  if (!sample.ok()) return sample.status();
  absl::Status status = MaskTokens(places, source.limits, source.file, source.line, *sample);
  if (!status.ok()) return status;
  return std::vector<Sample>{*std::move(sample)};
}

}  // namespace

absl::StatusOr<std::vector<Sample>> ReadLine(const Json& json, const LineSource& source) {
  if (!json.is_object())
    return RefuseLine(absl::StrCat("the line is ", Described(json), ", accepted is an object"));
  switch (source.limits.label_kind) {
    case LabelKind::kTokenClass:
      return ReadTokenLine(json, source);
    case LabelKind::kSpan:
      return ReadQuestionLine(json, source);
    case LabelKind::kMaskedToken:
      return ReadMaskedLine(json, source);
    case LabelKind::kChoice:
      return ReadChoiceLine(json, source);
    case LabelKind::kAny:
    case LabelKind::kClass:
    case LabelKind::kMultiLabel:
    case LabelKind::kRegression:
      break;
  }
  return ReadTextLine(json, source);
}

absl::StatusOr<std::vector<Sample>> ReadTextLine(const Json& json, const LineSource& source) {
  absl::StatusOr<Encoding> encoding = EncodeTextLine(json, source);
  if (!encoding.ok()) return encoding.status();
  absl::StatusOr<Sample> sample = ToSample(*std::move(encoding), source.limits);
  if (!sample.ok()) return sample.status();
  const auto label = json.find("label");
  if (label != json.end() && !label->is_null()) {
    absl::StatusOr<std::vector<double>> labels = ReadLabel(*label, source.limits);
    if (!labels.ok()) return labels.status();
    sample->labels = *std::move(labels);
  }
  return std::vector<Sample>{*std::move(sample)};
}

absl::StatusOr<const std::string*> TextField(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return nullptr;
  if (!found->is_string())
    return RefuseLine(absl::StrCat(key, " is ", Described(*found), ", accepted is a string"));
  const std::string& text = found->get_ref<const std::string&>();
  if (IsBlank(text)) return RefuseLine(absl::StrCat(key, " is empty: remove the line"));
  return &text;
}

absl::StatusOr<const std::string*> NeededTextField(const Json& json, const char* key) {
  absl::StatusOr<const std::string*> text = TextField(json, key);
  if (text.ok() && *text == nullptr) return RefuseMissing(json, key);
  return text;
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
  return source.tokenizer.Encode(text, second, LongestSequence(source.limits));
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
