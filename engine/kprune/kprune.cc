#include "engine/kprune/kprune.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <optional>

#include "engine/kprune/setting_search.h"
#include "engine/kprune/sublayer_steps.h"
#include "engine/pruning/stopwatch.h"

namespace kprune {
namespace {

class KPruneRun {
 public:
  // `begin` is the share of all the work that was done before.
  KPruneRun(const Encoder& model, absl::Span<const Sample> samples, const FlopsBudget& budget,
            const Options& options, const Setting& setting, const ExecutionPlan& plan,
            ProgressObserver& observer, double begin)
      : setting_(setting),
        observer_(observer),
        begin_(begin),
        steps_(model, samples, budget, options, plan, observer) {}

  absl::StatusOr<PruningResult> Run(Checkpoint* checkpoint, const EndsEarly& ends_early);

 private:
  absl::StatusOr<PrunedSublayer> Prune(int t);
  absl::StatusOr<std::vector<Selection>> MeasureAndSearch(int t, SublayerSteps::Seconds& seconds);
  double FractionDone(int t, double within) const;

  const Setting setting_;
  ProgressObserver& observer_;
  const double begin_;
  SublayerSteps steps_;
  double furthest_ = 0;  // progress: measuring a sublayer again does not take it back
};

absl::StatusOr<PruningResult> KPruneRun::Run(Checkpoint* checkpoint, const EndsEarly& ends_early) {
  if (absl::Status status = steps_.Start(); !status.ok()) return status;
  absl::Status status =
      steps_.state().SettleSublayers(checkpoint, ends_early, [&](int t) { return Prune(t); });
  if (!status.ok()) return status;
  return steps_.state().pruned();
}

absl::StatusOr<PrunedSublayer> KPruneRun::Prune(int t) {
  SublayerSteps::Seconds seconds;
  absl::StatusOr<std::vector<Selection>> plan = steps_.state().decided();
  if (plan->empty()) plan = MeasureAndSearch(t, seconds);
  if (!plan.ok()) return plan.status();
  observer_.OnStage(Stage::kTune, FractionDone(t, 1));
  return steps_.Settle(t, *plan, seconds);
}

absl::StatusOr<std::vector<Selection>> KPruneRun::MeasureAndSearch(int t, SublayerSteps::Seconds& seconds) {
  const Stopwatch measuring;
  absl::StatusOr<std::vector<UnitKnowledge>> knowledge = steps_.Measure(t, [&](double within) {
    furthest_ = std::max(furthest_, FractionDone(t, within));
    observer_.OnStage(Stage::kMeasure, furthest_);
  });
  if (!knowledge.ok()) return knowledge.status();
  seconds.measure = measuring.seconds();

  const Stopwatch searching;
  observer_.OnStage(Stage::kSearch, FractionDone(t, 1));
  absl::StatusOr<std::vector<Selection>> plan = steps_.Search(t, *knowledge, setting_);
  seconds.search = searching.seconds();
  return plan;
}

double KPruneRun::FractionDone(int t, double within) const {
  return begin_ + (1 - begin_) * steps_.ShareDone(t, within);
}

}  // namespace

absl::StatusOr<PruningResult> KPrune(const Encoder& model, absl::Span<const Sample> samples,
                                     const FlopsBudget& budget, const Options& options,
                                     const ExecutionPlan& plan, Checkpoint* checkpoint,
                                     ProgressObserver& observer, const EndsEarly& ends_early) {
  c10::NoGradGuard no_grad;
  Setting setting = {options.lambda_rep, options.effective_mu()};
  std::optional<SettingChoice> choice;
  if (options.chooses_setting()) {
    absl::StatusOr<SettingChoice> found =
        ChooseSetting(model, samples, budget, options, plan, checkpoint, observer);
    if (!found.ok()) return found.status();
    choice = *std::move(found);
    setting = choice->chosen;
  }
  const double cost = CostOfChoosing(options, samples.size());
  absl::StatusOr<PruningResult> result =
      KPruneRun(model, samples, budget, options, setting, plan, observer, cost / (1 + cost))
          .Run(checkpoint, ends_early);
  if (result.ok()) result->choice = std::move(choice);
  return result;
}

}  // namespace kprune
