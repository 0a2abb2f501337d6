// Every pruning method, by its name.
#ifndef KPRUNE_ENGINE_PRUNING_METHODS_H_
#define KPRUNE_ENGINE_PRUNING_METHODS_H_

#include "engine/pruning/budget_source.h"
#include "kprune/options.h"

namespace kprune {

// Prunes `model` with `samples` to every budget of `budgets` by options.method, one of kMethods: "refit" from
// one measurement, "kprune" one after the other. options.keep_flops is not read. Memory: the model, two
// streams of hidden states (2 x tokens x d x 4 bytes, wherever the plan puts them), the activations of
// plan.batch_tokens tokens and the float64 matrices of one sublayer. Where memory runs out while measuring,
// batch_tokens is halved, a warning says so, and it is measured again. Deterministic for the same inputs,
// options, plan, device and number of threads.
//
// The sublayers that a budget's checkpoint holds are replayed and their rows reported; every further one is
// added to it, and the result is byte-identical to that of a run never interrupted, and to that of a run of
// this budget alone. `observer` is called on this thread; fractions run from 0 to 1 here. Errors: Cancelled;
// Internal where a measurement is not finite; ResourceExhausted; those of HiddenStates, Checkpoint and
// `budgets`.
absl::Status PruneByMethod(const Encoder& model, absl::Span<const Sample> samples, const Options& options,
                           const ExecutionPlan& plan, BudgetSource& budgets, ProgressObserver& observer);

// To one budget; `checkpoint` may be null.
absl::StatusOr<PruningResult> PruneByMethod(const Encoder& model, absl::Span<const Sample> samples,
                                            const FlopsBudget& budget, const Options& options,
                                            const ExecutionPlan& plan, Checkpoint* checkpoint,
                                            ProgressObserver& observer);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_METHODS_H_
