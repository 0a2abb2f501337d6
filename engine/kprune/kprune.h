// K-prune (Park, Choi, Kang: "Accurate Retraining-free Pruning for Pretrained Encoder-based Language Models",
// ICLR 2024), one sublayer at a time from the bottom of the model to the top.
#ifndef KPRUNE_ENGINE_KPRUNE_KPRUNE_H_
#define KPRUNE_ENGINE_KPRUNE_KPRUNE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/model/batch.h"
#include "engine/model/encoder.h"
#include "kprune/options.h"
#include "kprune/progress.h"

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

struct KPruneResult {
  Encoder encoder;
  std::vector<SublayerPruned> sublayers;  // bottom up
  double kept_flops = 0;                  // of one sequence; at most the budget
};

// Prunes `model` with the samples in `batches` (on the model's device) to `budget`. Memory: the model, two
// streams of hidden states (2 x tokens x d x 4 bytes), one batch's activations and the float64 Gram matrix of
// one sublayer. Deterministic for the same inputs, options, device and number of threads. `observer` is
// called on this thread; fractions run from 0 to 1 here. Errors: Cancelled; Internal where a score is not
// finite.
absl::StatusOr<KPruneResult> KPrune(const Encoder& model, absl::Span<const Batch> batches,
                                    const FlopsBudget& budget, const Options& options,
                                    ProgressObserver& observer);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KPRUNE_KPRUNE_H_
