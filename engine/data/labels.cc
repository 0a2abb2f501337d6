#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/data/sample_files.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

std::string Accepted(const SampleLimits& limits) {
  switch (limits.label_kind) {
    case LabelKind::kAny:
      return "a finite number or an array of them";
    case LabelKind::kClass:
      return absl::StrCat("a whole number from 0 to ", limits.num_labels - 1,
                          limits.label2id.empty() ? "" : " or a class name of config.json's label2id");
    case LabelKind::kMultiLabel:
      return absl::StrCat("an array of ", limits.num_labels, " zeros and ones");
    case LabelKind::kRegression:
      return "a finite number";
    case LabelKind::kTokenClass:
      return absl::StrCat("a whole number from 0 to ", limits.num_labels - 1, ", ", kNoLabel, " for none",
                          limits.label2id.empty() ? "" : " or a class name of config.json's label2id");
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

absl::StatusOr<std::vector<double>> ReadClassName(const std::string& name, const SampleLimits& limits) {
  const auto found = limits.label2id.find(name);
  if (found == limits.label2id.end()) return Refuse(Quoted(name), limits);
  const std::vector<double> labels = {static_cast<double>(found->second)};
  if (absl::Status status = CheckLabels(labels, limits); !status.ok()) return status;
  return labels;
}

bool IsOneClass(LabelKind kind) { return kind == LabelKind::kClass || kind == LabelKind::kTokenClass; }

}  // namespace

absl::StatusOr<std::vector<double>> ReadLabel(const Json& label, const SampleLimits& limits) {
  const bool takes_names = IsOneClass(limits.label_kind) || limits.label_kind == LabelKind::kAny;
  if (label.is_string() && takes_names) return ReadClassName(label.get_ref<const std::string&>(), limits);
  const bool whole = IsOneClass(limits.label_kind);
  if (whole ? label.is_number_integer() : label.is_number()) {
    if (limits.label_kind == LabelKind::kMultiLabel) return Refuse(label.dump(), limits);
    const std::vector<double> labels = {label.get<double>()};
    if (absl::Status status = CheckLabels(labels, limits); !status.ok()) return status;
    return labels;
  }
  const bool takes_arrays =
      limits.label_kind == LabelKind::kAny || limits.label_kind == LabelKind::kMultiLabel;
  if (!label.is_array() || label.empty() || !takes_arrays) return Refuse(Described(label), limits);
  std::vector<double> labels;
  for (const Json& value : label) {
    if (!value.is_number()) return Refuse(absl::StrCat("an array with ", Described(value)), limits);
    labels.push_back(value.get<double>());
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
  return limits;
}

}  // namespace kprune
