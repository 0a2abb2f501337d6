// One pruning, watched: all of it, or its first sublayers.
#ifndef KPRUNE_BENCH_PRUNING_RUN_H_
#define KPRUNE_BENCH_PRUNING_RUN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/encoder.h"
#include "engine/pruning/budget.h"
#include "engine/pruning/execution_plan.h"
#include "kprune/options.h"
#include "kprune/progress.h"

namespace kprune {

struct PruningRun {
  double seconds = 0;  // of the engine's call alone
  // How it was carried out: the plan it began with, and what that was predicted to take, in bytes: on a CPU
  // of the process, on a GPU of the device.
  ExecutionPlan plan;
  int64_t predicted_peak_bytes = 0;
  FlopsBudget budget;
  std::vector<SublayerPruned> sublayers;  // the finished ones, bottom up
  std::vector<std::string> warnings;
  // Nothing where the run was stopped before the last sublayer.
  std::optional<Encoder> encoder;
  double kept_flops = 0;
};

// Prunes `model` with `samples` on the model's device; stops after the first `most_sublayers` sublayers (0:
// after the last). Errors are KPrune's and MakeBudget's.
absl::StatusOr<PruningRun> RunPruning(const Encoder& model, absl::Span<const Sample> samples,
                                      const Options& options, int most_sublayers);

}  // namespace kprune

#endif  // KPRUNE_BENCH_PRUNING_RUN_H_
