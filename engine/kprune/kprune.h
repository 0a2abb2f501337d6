// K-prune (Park, Choi, Kang: "Accurate Retraining-free Pruning for Pretrained Encoder-based Language Models",
// ICLR 2024), one sublayer at a time from the bottom of the model to the top.
#ifndef KPRUNE_ENGINE_KPRUNE_KPRUNE_H_
#define KPRUNE_ENGINE_KPRUNE_KPRUNE_H_

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/encoder.h"
#include "engine/pruning/pruning_state.h"
#include "kprune/options.h"
#include "kprune/progress.h"

namespace kprune {

// Prunes `model` with `samples` to `budget`. Memory: the model, two streams of hidden states (2 x tokens x d
// x 4 bytes, wherever the plan puts them), the activations of plan.batch_tokens tokens and the float64 Gram
// matrix of one sublayer. Where memory runs out while a sublayer is measured, batch_tokens is halved, a
// warning says so, and the sublayer is measured again. Deterministic for the same inputs, options, plan,
// device and number of threads.
//
// `checkpoint` may be null. What it holds is not computed again: those sublayers are replayed, and their rows
// are reported. Every further sublayer is added to it, and the result is byte-identical to that of a run
// never interrupted. `observer` is called on this thread; fractions run from 0 to 1 here. Errors: Cancelled;
// Internal where a score is not finite; ResourceExhausted; those of HiddenStates and Checkpoint.
absl::StatusOr<PruningResult> KPrune(const Encoder& model, absl::Span<const Sample> samples,
                                     const FlopsBudget& budget, const Options& options,
                                     const ExecutionPlan& plan, Checkpoint* checkpoint,
                                     ProgressObserver& observer);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KPRUNE_KPRUNE_H_
