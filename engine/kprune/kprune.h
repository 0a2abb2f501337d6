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

// PruneByMethod (engine/pruning_methods.h) of method "kprune", with the same promises and errors.
absl::StatusOr<PruningResult> KPrune(const Encoder& model, absl::Span<const Sample> samples,
                                     const FlopsBudget& budget, const Options& options,
                                     const ExecutionPlan& plan, Checkpoint* checkpoint,
                                     ProgressObserver& observer, const EndsEarly& ends_early = {});

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KPRUNE_KPRUNE_H_
