// report.json of a pruned model: what was done, what came out, how it was judged. design: "Command line and
// result folder"; docs/report.md describes every field.
#ifndef KPRUNE_ENGINE_EVALUATION_REPORT_H_
#define KPRUNE_ENGINE_EVALUATION_REPORT_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/cost/latency.h"
#include "engine/evaluation/metrics.h"
#include "engine/export/export_verification.h"
#include "engine/pruning/budget.h"
#include "engine/pruning/loss_curve.h"
#include "engine/pruning/setting_choice.h"
#include "kprune/options.h"
#include "kprune/rounding.h"
#include "nlohmann/json.hpp"

namespace kprune {

inline constexpr int kReportSchemaVersion = 1;

// Of the engine, on the job's device.
struct LatencyComparison {
  LatencySetting setting;
  double original_ms = 0, pruned_ms = 0;
};

struct ReportContents {
  Options options;
  std::string family;
  std::string task;
  int64_t samples = 0;  // that pruned
  int64_t tokens = 0;   // of them
  FlopsBudget budget;
  double kept_flops = 0;
  int64_t original_parameters = 0, kept_parameters = 0;
  int64_t original_file_bytes = 0, kept_file_bytes = 0;  // of the weights
  std::vector<SublayerPruned> sublayers;
  std::vector<LossCurve> curves;  // of each sublayer, where the method predicts its loss
  std::optional<nlohmann::json> agreement;
  std::optional<SettingChoice> chosen;  // where the method chose its own setting
  nlohmann::json flipped;               // FlippedSamples of the same samples
  std::optional<Metric> original_metric, pruned_metric;
  std::optional<MetricDifference> metric_difference;
  nlohmann::json max_drop;  // where the model was chosen by its loss
  LatencyComparison latency;
  std::vector<LatencyComparison> latency_by_batch_size;  // at its length, by rising size
  std::vector<VerifiedFormat> verified;                  // the written forms, against the model in memory
  double load_seconds = 0, total_seconds = 0;
  std::string device, device_name, precision;
  int threads = 0;
  Rounding rounding;                          // of the kept units of a sublayer
  std::string streams;                        // where the hidden states lived: "device", "host" or "file"
  std::vector<int64_t> batch_tokens;          // of each sublayer
  int resumed_sublayers = 0;                  // taken from a checkpoint
  bool ended_early = false;                   // PruningResult::ended_early
  int64_t predicted_memory_bytes = 0;         // before the run
  std::map<std::string, std::string> inputs;  // file name to SHA-256
};

// One row of "sublayers".
nlohmann::json SublayerJson(const SublayerPruned& sublayer);

// Without "outputs", the digests of the result's files: some are made from the report.
nlohmann::json MakeReport(const ReportContents& contents);

// The "metric" object of evaluation.json: {"name", "value", "n", "interval95": [low, high]}; null for no
// metric.
nlohmann::json MetricJson(const std::optional<Metric>& metric);

// {"value", "interval95": [low, high]}; null for no difference.
nlohmann::json DifferenceJson(const std::optional<MetricDifference>& difference);

// Largest resident size of this process so far.
int64_t PeakMemoryBytes();

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_REPORT_H_
