// What kprune-accuracy does: prune one model to several budgets and judge each result.
#ifndef KPRUNE_BENCH_ACCURACY_RUN_H_
#define KPRUNE_BENCH_ACCURACY_RUN_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kprune/options.h"
#include "nlohmann/json.hpp"

namespace kprune {

struct AccuracyRequest {
  std::string model, data, eval;  // a Hugging Face folder, samples, and labelled samples (may be "")
  std::vector<double> budgets;    // shares of the FLOPs to keep; options.keep_flops is not read
  Options options;
};

// Calls `result` with one object a budget: {"method", "keep_flops", "seed", "precision", "kept_flops"
// (share), "metric": {"name", "original", "value", "n"} or null, "agreement" (the report's object, on samples
// that were held out), "chosen" (the report's object, where lambda_rep or mu is auto), "seconds"}. What
// budgets share is done once, and its seconds are counted for the first. Errors name what to change.
absl::Status RunAccuracy(const AccuracyRequest& request,
                         const std::function<void(const nlohmann::ordered_json&)>& result);

}  // namespace kprune

#endif  // KPRUNE_BENCH_ACCURACY_RUN_H_
