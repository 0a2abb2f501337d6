// Pruning by what remains after the best refit (design: refit-aware search): one measurement of the
// uncompressed model says, for every sublayer, in which order its units leave and what that costs once the
// others have taken over; the budget goes where it saves most; then the kept units are refitted, bottom up,
// to give the uncompressed model's hidden states.
#ifndef KPRUNE_ENGINE_REFIT_REFIT_H_
#define KPRUNE_ENGINE_REFIT_REFIT_H_

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/pruning/budget_source.h"
#include "kprune/options.h"

namespace kprune {

// Share of so many sequences, variants included, on which the search measures: half, but 1,536 at least and
// 3,072 at most; what it finds out from more is the same (docs/accuracy.md). Refits use them all.
double MeasuredShare(double sequences);

// Prunes `model` with `samples` to every budget of `budgets`, from one measurement. As PruneByMethod
// (engine/pruning_methods.h), with the options of this method: damping, ridge, input_ridge, token_weighting,
// variants and distill. A run that goes on from checkpoints measures again. Errors: Cancelled; Internal where
// a measurement is not finite; ResourceExhausted; those of HiddenStates, Checkpoint and `budgets`.
absl::Status Refit(const Encoder& model, absl::Span<const Sample> samples, const Options& options,
                   const ExecutionPlan& plan, BudgetSource& budgets, ProgressObserver& observer);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_REFIT_REFIT_H_
