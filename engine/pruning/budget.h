// What a pruned model may cost.
#ifndef KPRUNE_ENGINE_PRUNING_BUDGET_H_
#define KPRUNE_ENGINE_PRUNING_BUDGET_H_

#include "absl/status/statusor.h"
#include "engine/model/model_config.h"

namespace kprune {

// FLOPs of one sequence, prunable units only.
struct FlopsBudget {
  double sequence_length = 0;  // tokens
  double original_flops = 0;
  double budget_flops = 0;  // what may be kept
};

// The budget of keeping `keep_flops` of what `config` has. FailedPrecondition where not even one unit fits,
// with the range that can be reached.
absl::StatusOr<FlopsBudget> MakeBudget(const ModelConfig& config, double keep_flops, double sequence_length);

// The smallest share for which MakeBudget gives a budget. FailedPrecondition where there is nothing to prune.
absl::StatusOr<double> LeastKeepFlops(const ModelConfig& config, double sequence_length);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_BUDGET_H_
