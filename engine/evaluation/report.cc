#include "engine/evaluation/report.h"

#include <torch/headeronly/version.h>

#include <algorithm>
#include <cmath>

#include "engine/evaluation/process_memory.h"
#include "engine/formats/options_json.h"

namespace kprune {
namespace {

using nlohmann::json;

json SecondsJson(const ReportContents& contents) {
  double measure = 0, search = 0, tune = 0;
  for (const SublayerPruned& sublayer : contents.sublayers) {
    measure += sublayer.measure_seconds;
    search += sublayer.search_seconds;
    tune += sublayer.tune_seconds;
  }
  return {{"load", contents.load_seconds},
          {"measure", measure},
          {"search", search},
          {"tune", tune},
          {"total", contents.total_seconds}};
}

json EndedEarlyJson(const std::vector<SublayerPruned>& sublayers) {
  const auto pruned = std::count_if(sublayers.begin(), sublayers.end(), [](const SublayerPruned& sublayer) {
    return sublayer.solver != "untouched";
  });
  return {{"pruned_sublayers", pruned}, {"sublayers", sublayers.size()}};
}

json CurvesJson(const std::vector<LossCurve>& curves) {
  if (curves.empty()) return nullptr;
  json list = json::array();
  for (const LossCurve& curve : curves) list.push_back({{"removed", curve.removed}, {"loss", curve.losses}});
  return list;
}

}  // namespace

json SublayerJson(const SublayerPruned& sublayer) {
  return {{"index", sublayer.index},
          {"layer", sublayer.layer},
          {"layers", sublayer.layers},
          {"kind", sublayer.kind == SublayerKind::kAttention ? "attention" : "feed_forward"},
          {"units", sublayer.units},
          {"kept", sublayer.kept},
          {"seconds",
           {{"measure", sublayer.measure_seconds},
            {"search", sublayer.search_seconds},
            {"tune", sublayer.tune_seconds}}},
          {"solver", sublayer.solver},
          // JSON has no infinity: a singular system's condition is null.
          {"condition", std::isfinite(sublayer.condition) ? json(sublayer.condition) : json()},
          {"reconstruction_error", sublayer.reconstruction_error}};
}

namespace {

json LatencyJson(const LatencyComparison& latency) {
  return {{"batch_size", latency.setting.batch_size},
          {"tokens", latency.setting.tokens},
          {"original_ms", latency.original_ms},
          {"pruned_ms", latency.pruned_ms}};
}

// What the job's table says of the model, and of the original.
json LatencyBudgetJson(const ReportContents& contents) {
  const LatencyBudget& budget = *contents.budget.latency;
  const LatencyTable& table = *contents.options.latency_table;
  double original_ms = budget.costs.other_ms, predicted_ms = original_ms;
  for (const SublayerPruned& sublayer : contents.sublayers) {
    original_ms += sublayer.layers * budget.costs.of(sublayer.kind)[sublayer.units];
    predicted_ms += sublayer.layers * budget.costs.of(sublayer.kind)[sublayer.kept];
  }
  return {{"target_ms", budget.target_ms}, {"predicted_ms", predicted_ms},
          {"original_ms", original_ms},    {"batch_size", table.batch_size},
          {"runtime", table.runtime},      {"device_name", table.device_name},
          {"threads", table.threads},      {"tokens", contents.budget.sequence_length}};
}

}  // namespace

json MakeReport(const ReportContents& contents) {
  json sublayers = json::array();
  for (const SublayerPruned& sublayer : contents.sublayers) sublayers.push_back(SublayerJson(sublayer));
  json report = {
      {"schema_version", kReportSchemaVersion},
      {"method", contents.options.method},
      {"family", contents.family},
      {"task", contents.task},
      {"options", ToJson(contents.options)},
      {"seed", contents.options.seed},
      {"samples", contents.samples},
      {"tokens", contents.tokens},
      {"sequence_length", contents.budget.sequence_length},
      {"flops",
       {{"original", contents.budget.original_flops},
        {"kept", contents.kept_flops},
        {"ratio", contents.kept_flops / contents.budget.original_flops},
        {"budget", contents.budget.budget_flops}}},
      {"parameters", {{"original", contents.original_parameters}, {"kept", contents.kept_parameters}}},
      {"file_bytes", {{"original", contents.original_file_bytes}, {"kept", contents.kept_file_bytes}}},
      {"sublayers", sublayers},
      {"curves", CurvesJson(contents.curves)},
      {"chosen", contents.chosen ? ToJson(*contents.chosen) : json()},
      {"agreement", contents.agreement.value_or(json())},
      {"flipped", contents.flipped},
      {"metric", json()},
      {"latency", LatencyJson(contents.latency)},
      {"verification", VerificationJson(contents.verified)},
      {"peak_memory_bytes", PeakMemoryBytes()},
      {"seconds", SecondsJson(contents)},
      {"device", {{"id", contents.device}, {"name", contents.device_name}, {"threads", contents.threads}}},
      {"precision", contents.precision},
      {"plan",
       {{"threads", contents.threads},
        {"precision", contents.precision},
        {"rounding", ToString(contents.rounding)},
        {"batch_tokens", contents.batch_tokens},
        {"streams", contents.streams},
        {"memory_limit_bytes", contents.options.memory_limit_bytes},
        {"predicted_memory_bytes", contents.predicted_memory_bytes},
        {"resumed_sublayers", contents.resumed_sublayers}}},
      {"versions", {{"kprune", KPRUNE_VERSION}, {"torch", TORCH_VERSION}}},
      {"inputs", contents.inputs},
  };
  if (contents.original_metric && contents.pruned_metric) {
    report["metric"] = {{"name", contents.original_metric->name},
                        {"original", contents.original_metric->value},
                        {"pruned", contents.pruned_metric->value},
                        {"n", contents.original_metric->n},
                        {"original_interval95", contents.original_metric->interval95},
                        {"pruned_interval95", contents.pruned_metric->interval95},
                        {"difference", DifferenceJson(contents.metric_difference)}};
  }
  for (const LatencyComparison& latency : contents.latency_by_batch_size)
    report["latency"]["by_batch_size"].push_back(LatencyJson(latency));
  if (!contents.max_drop.is_null()) report["max_drop"] = contents.max_drop;
  if (contents.ended_early) report["ended_early"] = EndedEarlyJson(contents.sublayers);
  if (contents.budget.latency) report["latency_budget"] = LatencyBudgetJson(contents);
  return report;
}

json MetricJson(const std::optional<Metric>& metric) {
  if (!metric) return nullptr;
  return {
      {"name", metric->name}, {"value", metric->value}, {"n", metric->n}, {"interval95", metric->interval95}};
}

json DifferenceJson(const std::optional<MetricDifference>& difference) {
  if (!difference) return nullptr;
  return {{"value", difference->value}, {"interval95", difference->interval95}};
}

int64_t PeakMemoryBytes() {
  const absl::StatusOr<ProcessMemory> memory = ReadProcessMemory();
  return memory.ok() ? memory->peak_resident_bytes : 0;
}

}  // namespace kprune
