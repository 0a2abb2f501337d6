// Task metrics on labelled samples.
#ifndef KPRUNE_ENGINE_EVALUATION_METRICS_H_
#define KPRUNE_ENGINE_EVALUATION_METRICS_H_

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/model_config.h"

namespace kprune {

struct Metric {
  std::string name;  // single label and multiple choice "accuracy", multi label "micro_f1", regression
                     // "spearman", tokens "entity_f1" or "token_accuracy", questions "f1", masked tokens
                     // "masked_accuracy"
  double value = 0;  // a fraction; correlations are -1 .. 1
  int64_t n = 0;     // samples: lines of the data
  std::pair<double, double> interval95;  // over the samples
  std::map<std::string, double> others;  // "f1", "matthews"; "pearson", "mse"; "exact_match" ...
};

// How far the metric of a pruned model is from its original's on the same samples.
struct MetricDifference {
  double value = 0;  // pruned - original
  std::pair<double, double> interval95;
  std::string bound;  // how the interval was made: "tango", or "bootstrap" of the samples, in pairs
};

// The task's metric of `outputs` (RunSamples) against the samples' labels; nothing for embeddings, which have
// no labels to meet. `names`: of the classes (ModelConfig::label_names), which say whether tokens' labels are
// entities' tags; empty: they are not.
std::optional<Metric> EvaluateMetric(Task task, const at::Tensor& outputs, absl::Span<const Sample> samples,
                                     absl::Span<const std::string> names = {});

// The difference of both models' EvaluateMetric(...).value; nothing for embeddings.
std::optional<MetricDifference> CompareMetrics(Task task, const at::Tensor& original,
                                               const at::Tensor& pruned, absl::Span<const Sample> samples,
                                               absl::Span<const std::string> names = {});

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_METRICS_H_
