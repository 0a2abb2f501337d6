#include "engine/evaluation/report_fields.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace kprune {

using nlohmann::json;

const json& FieldAt(const json& object, const char* pointer) {
  static const json* const nothing = new json();
  const json::json_pointer path(pointer);
  return object.contains(path) ? object.at(path) : *nothing;
}

std::optional<double> NumberIn(const json& object, const char* pointer) {
  const json& field = FieldAt(object, pointer);
  if (!field.is_number() || !std::isfinite(field.get<double>())) return std::nullopt;
  return field.get<double>();
}

std::string TextIn(const json& object, const char* pointer) {
  const json& field = FieldAt(object, pointer);
  if (field.is_null()) return "";
  if (field.is_string()) return field.get<std::string>();
  return field.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<std::pair<double, double>> IntervalIn(const json& object, const char* pointer) {
  const json& interval = FieldAt(object, pointer);
  if (!interval.is_array() || interval.size() != 2) return std::nullopt;
  const std::optional<double> low = NumberIn(interval, "/0"), high = NumberIn(interval, "/1");
  return low && high ? std::optional(std::pair(*low, *high)) : std::nullopt;
}

bool IsAttention(const json& sublayer) { return TextIn(sublayer, "/kind") == "attention"; }

std::string LayersText(const json& sublayer) {
  const auto first = static_cast<int>(NumberIn(sublayer, "/layer").value_or(0));
  const auto layers = static_cast<int>(NumberIn(sublayer, "/layers").value_or(1));
  return layers > 1 ? absl::StrCat(first, " to ", first + layers - 1) : absl::StrCat(first);
}

std::string EndedEarlyText(const json& report) {
  if (FieldAt(report, "/ended_early").is_null()) return "";
  return absl::StrCat("ended early: ", TextIn(report, "/ended_early/pruned_sublayers"), " of ",
                      TextIn(report, "/ended_early/sublayers"), " sublayers are pruned");
}

std::string MainAgreement(const json& report) {
  for (const char* name : {"top1", "cosine", "spearman"}) {
    if (NumberIn(report, absl::StrCat("/agreement/", name).c_str())) return name;
  }
  return "";
}

}  // namespace kprune
