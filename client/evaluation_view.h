// What `kprune eval`, `compare`, `bench`, `calibrate` and `run --dry-run` print as text.
#ifndef KPRUNE_CLIENT_EVALUATION_VIEW_H_
#define KPRUNE_CLIENT_EVALUATION_VIEW_H_

#include <string>

#include "kprune/v1/job.pb.h"
#include "nlohmann/json.hpp"

namespace kprune::client {

// evaluation.json: {"task", "metric": {"name", "value", "n", "interval95"}, "metrics", "flops", "parameters",
// "latency_ms"}.
std::string EvaluationText(const nlohmann::json& evaluation);

// comparison.json: {"models": [{"folder", "flops", ...}, ...]}: one column a model, one row a figure; rows
// without any figure are left out.
std::string ComparisonText(const nlohmann::json& comparison);

// bench.json: {"models": [folder, ...], "rows": [{"runtime", "batch_size", "tokens", "models": [{"median_ms",
// ...}, ...]}, ...], "device_name", "threads", "repeats"}: one line a model and row.
std::string BenchText(const nlohmann::json& bench);

// latency_table.json: where it was measured, and one line a length.
std::string LatencyTableText(const nlohmann::json& table);

// verification.json: one line a written form: {"formats": [{"format", "by", "max_difference", "bound"}]}, or
// {"models": [{"folder", "formats"}]} of a result of several.
std::string VerificationText(const nlohmann::json& verification);

// preflight.json, and Job.preflight of a server: what is predicted, or what was not checked.
std::string PreflightText(const kprune::v1::Preflight& preflight);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_EVALUATION_VIEW_H_
