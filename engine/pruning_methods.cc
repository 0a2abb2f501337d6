#include "engine/pruning_methods.h"

#include <optional>
#include <utility>

#include "engine/kprune/kprune.h"
#include "engine/pruning/phase_progress.h"
#include "engine/refit/refit.h"

namespace kprune {
namespace {

class OneBudget : public BudgetSource {
 public:
  OneBudget(const FlopsBudget& budget, Checkpoint* checkpoint) : task_{{budget, checkpoint}} {}

  int most_budgets() const override { return 1; }
  absl::StatusOr<std::optional<BudgetTask>> Next() override { return std::exchange(task_, std::nullopt); }
  absl::Status Done(const PruningResult& result) override {
    result_ = result;
    return absl::OkStatus();
  }

  PruningResult TakeResult() { return *std::move(result_); }

 private:
  std::optional<BudgetTask> task_;
  std::optional<PruningResult> result_;
};

absl::Status KPruneOneAfterTheOther(const Encoder& model, absl::Span<const Sample> samples,
                                    const Options& options, const ExecutionPlan& plan, BudgetSource& budgets,
                                    ProgressObserver& observer) {
  for (int done = 0;; ++done) {
    const absl::StatusOr<std::optional<BudgetTask>> task = budgets.Next();
    if (!task.ok() || !*task) return task.status();
    const double all = budgets.most_budgets();
    PhaseProgress progress(observer, done / all, (done + 1) / all);
    const absl::StatusOr<PruningResult> result =
        KPrune(model, samples, (*task)->budget, options, plan, (*task)->checkpoint, progress,
               [&] { return budgets.ends_early(); });
    if (!result.ok()) return result.status();
    if (absl::Status status = budgets.Done(*result); !status.ok()) return status;
  }
}

}  // namespace

absl::Status PruneByMethod(const Encoder& model, absl::Span<const Sample> samples, const Options& options,
                           const ExecutionPlan& plan, BudgetSource& budgets, ProgressObserver& observer) {
  return (options.method == "kprune" ? KPruneOneAfterTheOther : Refit)(model, samples, options, plan, budgets,
                                                                       observer);
}

absl::StatusOr<PruningResult> PruneByMethod(const Encoder& model, absl::Span<const Sample> samples,
                                            const FlopsBudget& budget, const Options& options,
                                            const ExecutionPlan& plan, Checkpoint* checkpoint,
                                            ProgressObserver& observer) {
  OneBudget only(budget, checkpoint);
  if (absl::Status status = PruneByMethod(model, samples, options, plan, only, observer); !status.ok())
    return status;
  return only.TakeResult();
}

}  // namespace kprune
