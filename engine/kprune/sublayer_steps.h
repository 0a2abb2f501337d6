// The steps of K-prune on one sublayer: measure, search, tune. Who calls them decides for which setting of
// lambda_rep and mu, and which sublayer comes next.
#ifndef KPRUNE_ENGINE_KPRUNE_SUBLAYER_STEPS_H_
#define KPRUNE_ENGINE_KPRUNE_SUBLAYER_STEPS_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/kprune/knowledge.h"
#include "engine/pruning/pruning_state.h"
#include "engine/pruning/setting_choice.h"
#include "engine/pruning/weight_tuning.h"
#include "kprune/options.h"

namespace kprune {

// Not thread-safe. Borrows all but the plan. Errors: Cancelled; Internal where a measurement is not finite;
// those of HiddenStates.
class SublayerSteps {
 public:
  SublayerSteps(const Encoder& model, absl::Span<const Sample> samples, const FlopsBudget& budget,
                const Options& options, const ExecutionPlan& plan, ProgressObserver& observer);

  PruningState& state() { return state_; }

  // To be called once, before the first sublayer: the embeddings, and what "kl-gradient" compares with.
  absl::Status Start();

  // Knowledge of every unit of t and of what is to be settled above (PruningState::own_sublayers), by one
  // pass over the samples from where the streams stand; it does not depend on lambda_rep and mu. Calls
  // tell(share of the pass that is done), also again from 0 where memory ran out on the way.
  absl::StatusOr<std::vector<UnitKnowledge>> Measure(int t, const std::function<void(double)>& tell);

  // The units that stay with this setting, whatever Options::lambda_rep and mu say, of sublayer t and of
  // those above up to the next that is measured for (Options::measure_every).
  absl::StatusOr<std::vector<Selection>> Search(int t, const std::vector<UnitKnowledge>& knowledge,
                                                const Setting& setting) const;

  // Keeps the first of those, tunes their weights and moves both streams to the next sublayer; the others are
  // what PruningState::decided then says. The row gets `seconds` of measuring and searching.
  struct Seconds {
    double measure = 0, search = 0;
  };
  absl::StatusOr<PrunedSublayer> Settle(int t, absl::Span<const Selection> plan, const Seconds& seconds);

  // Share of all the work of one run that is done when `within` of the measurement for sublayer t is, or all
  // below it where nothing is measured for it; t may be the number of all sublayers.
  double ShareDone(int t, double within) const;

 private:
  at::Generator RandomOf(int t, const Batch& batch) const;
  std::vector<int> From(int t) const;  // what is to be settled, t and above
  absl::Status RunTeacher();
  at::Tensor TeacherOutputs(const Batch& batch) const;  // undefined where they are not compared with
  absl::StatusOr<TunedProjection> Tune(int t, bool from_teacher);

  const Options& options_;
  const std::vector<int64_t> rows_;  // at which the samples' outputs begin
  PruningState state_;
  at::Tensor teacher_outputs_;  // of all samples, "kl-gradient" only and where they are not too many
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KPRUNE_SUBLAYER_STEPS_H_
