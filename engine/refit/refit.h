// Pruning by what remains after the best refit (design: refit-aware search): one measurement of the
// uncompressed model says, for every sublayer, in which order its units leave and what that costs once the
// others have taken over; the budget goes where it saves most; then the kept units are refitted, bottom up,
// to give the uncompressed model's hidden states.
#ifndef KPRUNE_ENGINE_REFIT_REFIT_H_
#define KPRUNE_ENGINE_REFIT_REFIT_H_

#include <functional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/pruning/pruning_state.h"
#include "kprune/options.h"

namespace kprune {

// Prunes `model` with `samples` to each of `budgets`, at least one, from one measurement. done(i, result) is
// called for budgets[i] when it is done; an error that it returns ends the run. As PruneByMethod
// (engine/pruning_methods.h), with the options of this method: damping, ridge, input_ridge, token_weighting
// and variants; `checkpoint` is for one budget alone. A run that goes on from a checkpoint measures again.
// Errors: Cancelled; Internal where a measurement is not finite; ResourceExhausted; those of HiddenStates and
// Checkpoint.
absl::Status Refit(const Encoder& model, absl::Span<const Sample> samples,
                   absl::Span<const FlopsBudget> budgets, const Options& options, const ExecutionPlan& plan,
                   Checkpoint* checkpoint, ProgressObserver& observer,
                   const std::function<absl::Status(size_t i, const PruningResult& result)>& done);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_REFIT_REFIT_H_
