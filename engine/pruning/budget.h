// What a pruned model may cost.
#ifndef KPRUNE_ENGINE_PRUNING_BUDGET_H_
#define KPRUNE_ENGINE_PRUNING_BUDGET_H_

#include <optional>

#include "absl/status/statusor.h"
#include "engine/cost/latency_table.h"
#include "engine/model/model_config.h"
#include "kprune/options.h"

namespace kprune {

// Milliseconds of one batch, on the machine that the costs were measured on.
struct LatencyBudget {
  double target_ms = 0;
  LatencyCosts costs;  // at the budget's sequence length
};

// FLOPs of one sequence, prunable units only.
struct FlopsBudget {
  double sequence_length = 0;  // tokens
  double original_flops = 0;
  double budget_flops = 0;               // what may be kept; original_flops where time is the budget
  std::optional<LatencyBudget> latency;  // where it is

  // What units may be bought for: FLOPs, or milliseconds.
  double to_spend() const { return latency ? latency->target_ms - latency->costs.other_ms : budget_flops; }
};

// The budget of keeping `keep_flops` of what `config` has. FailedPrecondition where not even one unit fits,
// with the range that can be reached.
absl::StatusOr<FlopsBudget> MakeBudget(const ModelConfig& config, double keep_flops, double sequence_length);

// The budget of options.target_latency_ms by options.latency_table. InvalidArgument where the table is not of
// such a model or length; FailedPrecondition, with the range that can be reached, where no unit fits or
// everything does.
absl::StatusOr<FlopsBudget> MakeLatencyBudget(const ModelConfig& config, const Options& options,
                                              double sequence_length);

// The smallest share for which MakeBudget gives a budget. FailedPrecondition where there is nothing to prune.
absl::StatusOr<double> LeastKeepFlops(const ModelConfig& config, double sequence_length);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_BUDGET_H_
