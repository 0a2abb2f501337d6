#include "server/jobs/progress_line.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kprune/out_of_memory_warning.h"
#include "nlohmann/json.hpp"
#include "server/jobs/job_error.h"

namespace kprune {
namespace {

using nlohmann::json;

// In the order of Stage.
constexpr std::array<std::string_view, 6> kStages = {"LOAD", "MEASURE", "SEARCH", "TUNE", "VERIFY", "EXPORT"};
constexpr std::array<std::string_view, 2> kSublayerKinds = {"ATTENTION", "FEED_FORWARD"};
constexpr std::array<std::string_view, 5> kSublayerIntegers = {"index", "total", "layer", "units", "kept"};
// Of one step of a sublayer: no worker lives so long, and sums of them stay numbers.
constexpr double kMaxSeconds = 1e9;

// Copies checked fields from one object to another and remembers the first that is wrong.
class FieldCopy {
 public:
  FieldCopy(const json& from, json& to) : from_(from), to_(to) { to_ = json::object(); }

  void Integer(std::string_view key) {
    const json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_number_integer() || value->get<int64_t>() < 0 || value->get<int64_t>() > INT32_MAX) {
      return Reject(key);
    }
    to_[std::string(key)] = *value;
  }

  void Number(std::string_view key) {
    const json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_number() || !std::isfinite(value->get<double>())) return Reject(key);
    to_[std::string(key)] =
        value->get<double>();  // as proto3 JSON, an integer must be one that a double holds
  }

  template <size_t n>
  void Name(std::string_view key, const std::array<std::string_view, n>& accepted) {
    const json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_string() ||
        std::find(accepted.begin(), accepted.end(), value->get_ref<const std::string&>()) == accepted.end()) {
      return Reject(key);
    }
    to_[std::string(key)] = *value;
  }

  void Text(std::string_view key) {
    const json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_string()) return Reject(key);
    to_[std::string(key)] = value->get_ref<const std::string&>().substr(0, kMaxSentenceBytes);
  }

  void Reject(std::string_view key) {
    if (status_.ok()) {
      status_ =
          absl::InvalidArgumentError(absl::StrCat("field ", std::string(key), " has no acceptable value"));
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  // null where there is no such field: it then has its default.
  const json* Find(std::string_view key) const {
    const auto place = from_.find(std::string(key));
    return place == from_.end() || place->is_null() ? nullptr : &*place;
  }

  const json& from_;
  json& to_;
  absl::Status status_;
};

absl::Status CopyStage(const json& from, json& to, double begin, ProgressLine& line) {
  FieldCopy copy(from, to);
  copy.Name("stage", kStages);
  copy.Number("fraction");
  const double fraction = to.value("fraction", 0.0);
  if (fraction < 0 || fraction > 1) copy.Reject("fraction");
  const auto stage = std::find(kStages.begin(), kStages.end(), to.value("stage", ""));
  if (stage != kStages.end()) line.stage = static_cast<Stage>(stage - kStages.begin());
  line.fraction = begin + (1 - begin) * fraction;
  if (begin > 0) to["fraction"] = *line.fraction;
  return copy.status();
}

absl::Status CopySublayer(const json& from, json& to, ProgressLine& line) {
  FieldCopy copy(from, to);
  for (const std::string_view key : kSublayerIntegers) copy.Integer(key);
  copy.Name("kind", kSublayerKinds);
  copy.Number("budget_left_flops");
  copy.Text("solver");
  copy.Number("reconstruction_error");
  copy.Number("keep_flops");
  SublayerLine& sublayer = line.sublayer.emplace();
  if (to.value("kind", "") == "ATTENTION") sublayer.kind = SublayerKind::kAttention;
  sublayer.solver = to.value("solver", "");
  const auto seconds = from.find("seconds");
  if (seconds == from.end() || !seconds->is_object()) return copy.status();
  FieldCopy parts(*seconds, to["seconds"]);
  const std::pair<std::string_view, double*> fields[] = {{"measure", &sublayer.measure_seconds},
                                                         {"search", &sublayer.search_seconds},
                                                         {"tune", &sublayer.tune_seconds}};
  for (const auto& [key, part] : fields) {
    parts.Number(key);
    *part = to["seconds"].value(std::string(key), 0.0);
    if (*part < 0 || *part > kMaxSeconds) parts.Reject(key);
  }
  return copy.status().ok() ? parts.status() : copy.status();
}

absl::Status CopyWarning(const json& from, json& to, ProgressLine& line) {
  FieldCopy copy(from, to);
  copy.Text("message");
  line.is_out_of_memory = IsOutOfMemoryWarning(to.value("message", ""));
  return copy.status();
}

// Cutting a text may have cut a character: replaced by U+FFFD.
std::string Dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

absl::StatusOr<ProgressLine> ParseProgressLine(std::string_view text, double begin) {
  const json event = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!event.is_object()) return absl::InvalidArgumentError("it is no JSON object");
  std::string kind;
  for (const auto& [key, value] : event.items()) {
    if (key == "time") continue;
    const bool known = key == "stage" || key == "sublayer" || key == "warning";
    if (!known) return absl::InvalidArgumentError(absl::StrCat("a worker must not send ", key.substr(0, 64)));
    if (!kind.empty()) return absl::InvalidArgumentError(absl::StrCat("it is both ", kind, " and ", key));
    if (!value.is_object()) return absl::InvalidArgumentError(absl::StrCat(key, " is no object"));
    kind = key;
  }
  if (kind.empty()) return absl::InvalidArgumentError("it has neither stage, sublayer nor warning");
  ProgressLine line;
  json payload;
  absl::Status status;
  if (kind == "stage") status = CopyStage(event[kind], payload[kind], begin, line);
  if (kind == "sublayer") status = CopySublayer(event[kind], payload[kind], line);
  if (kind == "warning") status = CopyWarning(event[kind], payload[kind], line);
  if (!status.ok()) return status;
  line.payload_json = Dump(payload);
  return line;
}

std::string LoadPayload(double fraction) {
  return Dump({{"stage", {{"stage", "LOAD"}, {"fraction", fraction}}}});
}

std::string WarningPayload(std::string_view message) {
  return Dump({{"warning", {{"message", message.substr(0, kMaxSentenceBytes)}}}});
}

}  // namespace kprune
