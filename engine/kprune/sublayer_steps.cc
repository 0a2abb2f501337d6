#include "engine/kprune/sublayer_steps.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "engine/cost/flops.h"
#include "engine/kprune/mask_search.h"
#include "engine/model/output_rows.h"

namespace kprune {
namespace {

// S(unit) of every remaining unit: S(head) = mu (lambda_pred K_pred + lambda_rep K_rep) / F_head, S(neuron) =
// (...) / F_neuron.
absl::StatusOr<std::vector<SublayerScores>> Score(const Encoder& student, const std::vector<int>& remaining,
                                                  const std::vector<UnitKnowledge>& knowledge,
                                                  double sequence_length, double lambda_pred,
                                                  const Setting& setting) {
  std::vector<SublayerScores> result;
  for (size_t i = 0; i < knowledge.size(); ++i) {
    const SublayerKind kind = student.sublayers[remaining[i]].kind;
    SublayerScores& scores = result.emplace_back();
    scores.unit_flops = UnitFlops(student.config, remaining[i], sequence_length);
    const double mu = kind == SublayerKind::kAttention ? setting.mu : 1.0;
    for (size_t u = 0; u < knowledge[i].predictive.size(); ++u) {
      const double k =
          lambda_pred * knowledge[i].predictive[u] + setting.lambda_rep * knowledge[i].representational[u];
      scores.scores.push_back(mu * k / scores.unit_flops);
      if (!std::isfinite(scores.scores.back())) {
        return absl::InternalError(
            absl::StrCat("the score of unit ", u, " of sublayer ", remaining[i],
                         " is not finite; the model's activations overflow float32 on these samples"));
      }
    }
  }
  return result;
}

PruningState::Order OrderOf(const Options& options) {
  return {options.predictive == "kl-gradient" ? options.batch_size : kAnyNumber, options.batch_order};
}

}  // namespace

SublayerSteps::SublayerSteps(const Encoder& model, absl::Span<const Sample> samples,
                             const FlopsBudget& budget, const Options& options, const ExecutionPlan& plan,
                             ProgressObserver& observer)
    : options_(options),
      rows_(RowOffsets(model.config.task, samples)),
      state_(model, samples, budget, plan, OrderOf(options), observer) {}

absl::Status SublayerSteps::Start() {
  if (absl::Status status = state_.Embed(); !status.ok()) return status;
  // A vocabulary's outputs for all samples would be too large to keep.
  const bool keeps = options_.predictive == "kl-gradient" && state_.teacher().config.task != Task::kMaskedLm;
  return keeps ? RunTeacher() : absl::OkStatus();
}

absl::Status SublayerSteps::RunTeacher() {
  const Encoder& teacher = state_.teacher();
  return state_.ForEachBatch([&](const Batch& batch) {
    const at::Tensor outputs_NC = teacher.Run(batch);
    if (!teacher_outputs_.defined()) {
      teacher_outputs_ = at::empty({rows_.back(), outputs_NC.size(1)}, outputs_NC.options());
    }
    teacher_outputs_.index_copy_(0, RowsOfBatch(rows_, batch).to(outputs_NC.device()), outputs_NC);
    return absl::OkStatus();
  });
}

at::Tensor SublayerSteps::TeacherOutputs(const Batch& batch) const {
  if (options_.predictive != "kl-gradient") return {};
  if (!teacher_outputs_.defined()) return state_.teacher().Run(batch);
  return teacher_outputs_.index_select(0, RowsOfBatch(rows_, batch).to(teacher_outputs_.device()));
}

// Its own for each sublayer: a resumed run draws what an uninterrupted one does; and for each batch: whoever
// measures it.
at::Generator SublayerSteps::RandomOf(int t, const Batch& batch) const {
  constexpr uint64_t kMany = 1000003;
  return at::make_generator<at::CPUGeneratorImpl>(
      (static_cast<uint64_t>(options_.seed) * kMany + static_cast<uint64_t>(t)) * kMany +
      static_cast<uint64_t>(batch.begin));
}

std::vector<int> SublayerSteps::From(int t) const {
  const std::vector<int>& own = state_.own_sublayers();
  return {std::find(own.begin(), own.end(), t), own.end()};
}

absl::StatusOr<std::vector<UnitKnowledge>> SublayerSteps::Measure(int t,
                                                                  const std::function<void(double)>& tell) {
  std::vector<UnitKnowledge> result;
  absl::Status status = state_.MeasureWithinMemory(absl::StrCat("sublayer ", t), [&]() -> absl::Status {
    const int workers = state_.workers(), first = state_.StreamsAt(t);
    const std::vector<PassFactors> factors = PassFactorsOf(state_.student(), first, /*packed=*/workers > 1);
    std::vector<KnowledgeAccumulator> knowledge;
    knowledge.reserve(workers);
    while (static_cast<int>(knowledge.size()) < workers)
      knowledge.emplace_back(state_.student(), first, From(t), options_, state_.largest_piece(), factors);
    absl::Status measured = state_.ForEachPieceAtOnce([&](int worker, const Batch& batch) -> absl::Status {
      if (worker == 0) tell(static_cast<double>(batch.begin) / static_cast<double>(state_.tokens()));
      absl::StatusOr<at::Tensor> x_Td = state_.streams().student(batch);
      if (!x_Td.ok()) return x_Td.status();
      at::Generator random = RandomOf(t, batch);
      knowledge[worker].Add(batch, *x_Td, TeacherOutputs(batch), random);
      return absl::OkStatus();
    });
    if (!measured.ok()) return measured;
    for (int worker = 1; worker < workers; ++worker) knowledge[0].Add(knowledge[worker]);
    result = knowledge[0].Result();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return result;
}

absl::StatusOr<std::vector<Selection>> SublayerSteps::Search(int t,
                                                             const std::vector<UnitKnowledge>& knowledge,
                                                             const Setting& setting) const {
  const std::vector<int> remaining = From(t);
  auto scores = Score(state_.student(), remaining, knowledge, state_.budget().sequence_length,
                      options_.lambda_pred, setting);
  if (!scores.ok()) return scores.status();
  std::vector<Selection> plan;
  double budget_left = state_.budget_left();
  for (size_t i = 0; i < remaining.size() && i < static_cast<size_t>(options_.measure_every); ++i) {
    plan.push_back(SearchBottomSublayer(absl::MakeConstSpan(*scores).subspan(i), budget_left,
                                        state_.rounding(remaining[i])));
    budget_left -= static_cast<double>(plan.back().size()) * state_.unit_flops(remaining[i]);
  }
  return plan;
}

absl::StatusOr<PrunedSublayer> SublayerSteps::Settle(int t, absl::Span<const Selection> plan,
                                                     const Seconds& seconds) {
  const Selection& keep = plan.front();
  PrunedSublayer pruned{keep, {}, {}, state_.RowOf(t, keep), {plan.begin() + 1, plan.end()}};
  pruned.row.measure_seconds = seconds.measure;
  pruned.row.search_seconds = seconds.search;
  state_.Keep(t, keep);
  absl::StatusOr<Linear> out = state_.FitOutput(t, [&](bool from_teacher) -> absl::StatusOr<Linear> {
    absl::StatusOr<TunedProjection> tuned = Tune(t, from_teacher);
    if (!tuned.ok()) return tuned.status();
    pruned.row.solver = tuned->solution.path;
    pruned.row.condition = tuned->solution.condition;
    pruned.row.reconstruction_error = tuned->solution.relative_error;
    return tuned->out;
  });
  if (!out.ok()) return out.status();
  pruned.out = *std::move(out);
  if (absl::Status status = state_.Finish(t, pruned); !status.ok()) return status;
  return pruned;
}

// Least squares for the kept units of t; see PruningState::ForEachOutput.
absl::StatusOr<TunedProjection> SublayerSteps::Tune(int t, bool from_teacher) {
  using Products = GramAccumulator::Products;
  const auto tune = [&](Products products) -> absl::StatusOr<TunedProjection> {
    TuningAccumulator equations(state_.result().sublayers[t], products);
    const auto add = [&](const Batch& batch, const PlaceStates& at) {
      equations.Add(state_.Features(batch, at), at.x_Td, at.y_Td);
      return absl::OkStatus();
    };
    if (absl::Status status = state_.ForEachOutput(t, add, from_teacher); !status.ok()) return status;
    return TuneOutput(state_.result().sublayers[t], equations.Result());
  };
  const Products fastest = TuningProducts(state_.plan().compute_type, state_.device());
  absl::StatusOr<TunedProjection> tuned = tune(fastest);
  if (!tuned.ok() || IsAsGood(tuned->solution, fastest)) return tuned;
  return tune(Products::kDouble);
}

// Measuring for a sublayer costs what stands above the streams; settling it, about one sublayer.
double SublayerSteps::ShareDone(int t, double within) const {
  double all = 0, done = 0;
  for (const int s : state_.own_sublayers()) {
    const bool measured = options_.measures_before(state_.IndexOf(s));
    const double measuring = measured ? state_.teacher().num_sublayers() - state_.StreamsAt(s) : 0;
    all += measuring + 1;
    done += s < t ? measuring + 1 : s == t ? within * measuring : 0;
  }
  return done / all;
}

}  // namespace kprune
