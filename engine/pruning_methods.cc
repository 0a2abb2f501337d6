#include "engine/pruning_methods.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/kprune/kprune.h"
#include "engine/refit/refit.h"

namespace kprune {
namespace {

// Maps the fractions of one budget to its part of all.
class BudgetProgress : public ProgressObserver {
 public:
  BudgetProgress(ProgressObserver& run, int done, int all) : run_(run), done_(done), all_(all) {}

  void OnStage(Stage stage, double fraction) override {
    run_.OnStage(stage, std::min(1.0, (done_ + fraction) / all_));
  }
  void OnSublayer(const SublayerPruned& sublayer) override { run_.OnSublayer(sublayer); }
  void OnWarning(const std::string& message) override { run_.OnWarning(message); }
  bool cancelled() const override { return run_.cancelled(); }

 private:
  ProgressObserver& run_;
  const int done_, all_;
};

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
    BudgetProgress progress(observer, done, budgets.most_budgets());
    const absl::StatusOr<PruningResult> result =
        KPrune(model, samples, (*task)->budget, options, plan, (*task)->checkpoint, progress);
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
