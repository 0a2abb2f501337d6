#include "engine/pruning_methods.h"

#include <optional>

#include "engine/kprune/kprune.h"
#include "engine/refit/refit.h"

namespace kprune {

absl::StatusOr<PruningResult> PruneByMethod(const Encoder& model, absl::Span<const Sample> samples,
                                            const FlopsBudget& budget, const Options& options,
                                            const ExecutionPlan& plan, Checkpoint* checkpoint,
                                            ProgressObserver& observer) {
  if (options.method == "kprune") return KPrune(model, samples, budget, options, plan, checkpoint, observer);
  std::optional<PruningResult> only;
  absl::Status status = Refit(model, samples, {&budget, 1}, options, plan, checkpoint, observer,
                              [&only](size_t, const PruningResult& result) {
                                only = result;
                                return absl::OkStatus();
                              });
  if (!status.ok()) return status;
  return *std::move(only);
}

}  // namespace kprune
