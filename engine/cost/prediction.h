// How long a pruning job will take, before it runs. Memory: engine/pruning/execution_plan.h.
#ifndef KPRUNE_ENGINE_COST_PREDICTION_H_
#define KPRUNE_ENGINE_COST_PREDICTION_H_

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/model_config.h"
#include "kprune/options.h"

namespace kprune {

// Predicts the seconds of pruning with `samples` on `device` from the FLOPs and the rates of a short matrix
// product measured here, in `compute_type` and in float64.
double PredictSeconds(const ModelConfig& config, absl::Span<const Sample> samples, const Options& options,
                      at::ScalarType compute_type, at::Device device);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_COST_PREDICTION_H_
