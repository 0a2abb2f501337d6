#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "engine/data/sample_files.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

std::string ClassNames(const SampleLimits& limits) {
  std::string names;
  for (const auto& [name, id] : limits.label2id) {
    if (names.size() < 100)
      absl::StrAppend(&names, names.empty() ? " or a class name (" : ", ", Quoted(name));
  }
  return names.empty() ? "" : names + ")";
}

std::string Accepted(const SampleLimits& limits) {
  switch (limits.label_kind) {
    case LabelKind::kAny:
      return "a finite number or an array of them";
    case LabelKind::kClass:
      return absl::StrCat("a whole number from 0 to ", limits.num_labels - 1, ClassNames(limits));
    case LabelKind::kMultiLabel:
      return absl::StrCat("an array of ", limits.num_labels, " zeros and ones, or of classes from 0 to ",
                          limits.num_labels - 1, limits.label2id.empty() ? "" : " or their names");
    case LabelKind::kRegression:
      return "a finite number";
    case LabelKind::kTokenClass:
      return absl::StrCat("a whole number from 0 to ", limits.num_labels - 1, ", ", kNoLabel, " for none",
                          ClassNames(limits));
    case LabelKind::kSpan:
    case LabelKind::kMaskedToken:
    case LabelKind::kChoice:
      break;  // read by their own readers
  }
  return "";
}

absl::Status Refuse(const std::string& found, const SampleLimits& limits) {
  return absl::InvalidArgumentError(absl::StrCat("the label is ", found, ", accepted is ", Accepted(limits)));
}

bool IsOneClass(LabelKind kind) { return kind == LabelKind::kClass || kind == LabelKind::kTokenClass; }

// The class that a name of label2id means; upper and lower case count where names differ in nothing else.
std::optional<int32_t> ClassNamed(const std::string& name, const SampleLimits& limits) {
  const auto exact = limits.label2id.find(name);
  if (exact != limits.label2id.end()) return exact->second;
  std::optional<int32_t> found;
  for (const auto& [label, id] : limits.label2id) {
    if (!absl::EqualsIgnoreCase(label, name)) continue;
    if (found) return std::nullopt;
    found = id;
  }
  return found;
}

// A number, or a text that is one or names a class ("LABEL_1" is the first class but one where classes have
// no names).
std::optional<double> NumberOf(const Json& label, const SampleLimits& limits) {
  if (label.is_number()) return label.get<double>();
  const bool names_classes =
      limits.label_kind != LabelKind::kRegression && limits.label_kind != LabelKind::kAny;
  if (label.is_boolean() && names_classes) return label.get<bool>() ? 1 : 0;
  if (!label.is_string()) return std::nullopt;
  absl::string_view text = absl::StripAsciiWhitespace(label.get_ref<const std::string&>());
  if (const std::optional<int32_t> id = ClassNamed(std::string(text), limits)) return *id;
  if (names_classes && limits.label2id.empty()) absl::ConsumePrefix(&text, "LABEL_");
  double number = 0;
  return absl::SimpleAtod(text, &number) ? std::optional(number) : std::nullopt;
}

// The items of "joy, anger", "joy|anger", "[0, 1, 0]" and "['joy', 'anger']".
Json ItemsOf(const std::string& text) {
  absl::string_view rest = absl::StripAsciiWhitespace(text);
  if (absl::ConsumePrefix(&rest, "[")) absl::ConsumeSuffix(&rest, "]");
  const char separator = absl::StrContains(rest, "|") ? '|' : absl::StrContains(rest, ";") ? ';' : ',';
  Json items = Json::array();
  for (absl::string_view item : absl::StrSplit(rest, separator)) {
    item = absl::StripAsciiWhitespace(item);
    for (const char* const quote : {"\"", "'"}) {
      if (item.size() >= 2 && absl::StartsWith(item, quote) && absl::EndsWith(item, quote))
        item = item.substr(1, item.size() - 2);
    }
    if (!item.empty()) items.push_back(std::string(item));
  }
  return items;
}

// Zeros and ones for all classes, or the classes themselves.
absl::StatusOr<std::vector<double>> ReadSeveral(const Json& label, const SampleLimits& limits) {
  const Json items = label.is_string() ? ItemsOf(label.get_ref<const std::string&>()) : label;
  if (!items.is_array()) return Refuse(Described(label), limits);
  std::vector<double> numbers;
  for (const Json& item : items) {
    const std::optional<double> number = NumberOf(item, limits);
    if (!number) return Refuse(absl::StrCat("an array with ", Described(item)), limits);
    numbers.push_back(*number);
  }
  const auto is_flag = [](double number) { return number == 0 || number == 1; };
  const bool flags = static_cast<int64_t>(numbers.size()) == limits.num_labels &&
                     std::none_of(items.begin(), items.end(), [&](const Json& item) {
                       return item.is_string() && ClassNamed(item.get_ref<const std::string&>(), limits);
                     });
  if (flags && std::all_of(numbers.begin(), numbers.end(), is_flag)) return numbers;
  std::vector<double> labels(static_cast<size_t>(limits.num_labels), 0);
  for (const double number : numbers) {
    if (!(number >= 0 && number < limits.num_labels && number == std::floor(number)))
      return Refuse(absl::StrCat("an array with ", number), limits);
    labels[static_cast<size_t>(number)] = 1;
  }
  return labels;
}

}  // namespace

absl::StatusOr<std::vector<double>> ReadLabel(const Json& label, const SampleLimits& limits) {
  if (limits.label_kind == LabelKind::kMultiLabel) return ReadSeveral(label, limits);
  std::vector<double> labels;
  if (label.is_array() && !label.empty() && limits.label_kind == LabelKind::kAny) {
    for (const Json& value : label) {
      if (!value.is_number()) return Refuse(absl::StrCat("an array with ", Described(value)), limits);
      labels.push_back(value.get<double>());
    }
  } else {
    const std::optional<double> number = NumberOf(label, limits);
    if (!number) return Refuse(Described(label), limits);
    labels.push_back(*number);
  }
  if (absl::Status status = CheckLabels(labels, limits); !status.ok()) return status;
  return labels;
}

absl::Status CheckLabels(const std::vector<double>& labels, const SampleLimits& limits) {
  const std::string found =
      labels.size() == 1 ? absl::StrCat(labels[0]) : absl::StrCat("an array of ", labels.size(), " numbers");
  const bool multi = limits.label_kind == LabelKind::kMultiLabel;
  if (multi && static_cast<int64_t>(labels.size()) != limits.num_labels) return Refuse(found, limits);
  const bool one = IsOneClass(limits.label_kind) || limits.label_kind == LabelKind::kRegression;
  if (one && labels.size() != 1) return Refuse(found, limits);
  for (double value : labels) {
    bool accepted = std::isfinite(value);
    if (multi) accepted = value == 0 || value == 1;
    if (IsOneClass(limits.label_kind)) {
      accepted = value >= 0 && value < limits.num_labels && value == std::floor(value);
    }
    if (!accepted) {
      return Refuse(labels.size() == 1 ? found : absl::StrCat("an array with ", value), limits);
    }
  }
  return absl::OkStatus();
}

SampleLimits ChoiceLimits(int64_t choices) {
  SampleLimits limits;
  limits.label_kind = LabelKind::kClass;
  limits.num_labels = static_cast<int32_t>(choices);
  // Keys of multiple choice tests.
  for (char key = 'A'; key < 'A' + std::min<int64_t>(choices, 26); ++key) limits.label2id[{key}] = key - 'A';
  return limits;
}

}  // namespace kprune
