// Every pruning method, by its name.
#ifndef KPRUNE_ENGINE_PRUNING_METHODS_H_
#define KPRUNE_ENGINE_PRUNING_METHODS_H_

#include "engine/pruning/pruning_state.h"
#include "kprune/options.h"

namespace kprune {

// Prunes `model` with `samples` to `budget` by options.method, one of kMethods. Memory: the model, two
// streams of hidden states (2 x tokens x d x 4 bytes, wherever the plan puts them), the activations of
// plan.batch_tokens tokens and the float64 matrices of one sublayer. Where memory runs out while measuring,
// batch_tokens is halved, a warning says so, and it is measured again. Deterministic for the same inputs,
// options, plan, device and number of threads.
//
// `checkpoint` may be null. The sublayers that it holds are replayed and their rows reported; every further
// one is added to it, and the result is byte-identical to that of a run never interrupted. `observer` is
// called on this thread; fractions run from 0 to 1 here. Errors: Cancelled; Internal where a measurement is
// not finite; ResourceExhausted; those of HiddenStates and Checkpoint.
absl::StatusOr<PruningResult> PruneByMethod(const Encoder& model, absl::Span<const Sample> samples,
                                            const FlopsBudget& budget, const Options& options,
                                            const ExecutionPlan& plan, Checkpoint* checkpoint,
                                            ProgressObserver& observer);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_METHODS_H_
