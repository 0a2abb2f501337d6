// What a pruning job will need, before it runs.
#ifndef KPRUNE_ENGINE_COST_PREDICTION_H_
#define KPRUNE_ENGINE_COST_PREDICTION_H_

#include <c10/core/Device.h>

#include <cstdint>

#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/model_config.h"
#include "kprune/options.h"

namespace kprune {

struct WorkloadPrediction {
  int64_t tokens = 0;
  int64_t peak_memory_bytes = 0;  // of the process
  double seconds = 0;
};

// Predicts the cost of pruning with `samples`: memory from the sizes that KPrune documents (the model, two
// streams, one batch's activations, one float64 Gram matrix), time from its FLOPs and the rates of a short
// matrix product measured here in float32 and float64. `parameters` counts the model's weights.
WorkloadPrediction PredictWorkload(const ModelConfig& config, absl::Span<const Sample> samples,
                                   int64_t parameters, const Options& options, at::Device device);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_COST_PREDICTION_H_
