// How many points a pruned model loses against its original, with a bound: what max_drop is held against.
#ifndef KPRUNE_ENGINE_EVALUATION_DROP_H_
#define KPRUNE_ENGINE_EVALUATION_DROP_H_

#include <cstdint>
#include <string>

#include "engine/evaluation/metrics.h"
#include "engine/model/model_config.h"
#include "nlohmann/json.hpp"

namespace kprune {

struct Drop {
  std::string judged_by;  // the metric's name; or "agreement top1", "agreement spearman", "agreement cosine"
  int64_t samples = 0;
  double points = 0;  // lost; below 0 where the pruned model is the better one
  double upper = 0;   // upper end of the two-sided 95 % interval of the points
  std::string bound;  // how that was made: "wilson", "tango" or "bootstrap"
};

// From the metric on labelled samples.
Drop DropOf(const Metric& original, const MetricDifference& difference);

// From Agreement and FlippedSamples on samples without labels: 100 x (1 - a), with a the share of samples
// with the same prediction (of several labels: all of them the same), of tokens with the same one, the rank
// correlation of a regression's outputs, or the mean cosine of embeddings.
Drop DropOf(Task task, const nlohmann::json& agreement, const nlohmann::json& flipped);

// The fewest samples on which a drop of at most `points` could be shown: of a classifier that changed no
// prediction at all; for other tasks what a bootstrap needs to mean anything.
int64_t LeastSamplesToShow(Task task, double points);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_DROP_H_
