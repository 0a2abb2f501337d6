#include "engine/refit/refit.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/data/variants.h"
#include "engine/distillation/distillation.h"
#include "engine/model/tensor_conversion.h"
#include "engine/refit/affine_fit.h"
#include "engine/refit/allocation.h"
#include "engine/refit/removal_order.h"
#include "engine/refit/sensitivity.h"
#include "engine/refit/token_weights.h"

namespace kprune {
namespace {

// Shares of the work at which its phases end.
constexpr double kMeasured = 0.35, kSearched = 0.6;
// Share of settling and distilling a model at which it is settled, where it is distilled.
constexpr double kSettled = 0.4;

constexpr double kFewestMeasured = 1536, kMostMeasured = 3072;

class RefitRun {
 public:
  // `first` is what `budgets` gave first.
  RefitRun(const Encoder& model, absl::Span<const Sample> samples, const Options& options,
           const ExecutionPlan& plan, BudgetSource& budgets, const BudgetTask& first,
           ProgressObserver& observer)
      : options_(options),
        budgets_(budgets),
        first_(first),
        own_samples_(samples),
        samples_(WithVariants(samples, options.variants, options.seed)),
        state_(model, samples_, first.budget, plan, {kAnyNumber, options.batch_order}, observer) {}

  absl::Status Run();

 private:
  absl::Status Measure();
  absl::Status Search();
  absl::Status ForEachMeasured(const std::function<absl::Status(const Batch&)>& step) const;
  struct FeatureSums;
  absl::Status AddFeatures(int place, FeatureSums& sums);
  RemovalProblem ProblemOf(int s, const FeatureSums& sums) const;
  absl::Status OrderNext(absl::Span<const RemovalProblem> problems);
  std::vector<SublayerCurve> CurvesFor(const FlopsBudget& budget) const;
  absl::Status PruneTo(const BudgetTask& task);
  absl::StatusOr<PrunedSublayer> Settle(int t);
  absl::Status RefitOnce(int t, const Linear& kept_in, bool from_teacher, PrunedSublayer& pruned);
  absl::StatusOr<Linear> RefitInput(int t, const Linear& in);
  absl::StatusOr<AffineFit> RefitOutput(int t, bool from_teacher);
  std::vector<int> PlacesOf(int t) const { return state_.teacher().config.PlacesOf(t); }
  absl::Status Distilled(PruningResult& result);
  at::ScalarType compute_type() const { return state_.plan().compute_type; }
  void Tell(Stage stage, double from, double to, double done);
  void TellOfBudget(double done);  // share of what one budget takes

  const Options& options_;
  BudgetSource& budgets_;
  const BudgetTask first_;
  const absl::Span<const Sample> own_samples_;  // without variants
  const std::vector<Sample> samples_;
  PruningState state_;
  std::optional<SensitivityAccumulator> sensitivity_;
  std::optional<TokenWeights> token_weights_;
  std::vector<RemovalOrder> orders_;  // of PruningState::own_sublayers, like what follows
  int budgets_done_ = 0;
  std::vector<int64_t> kept_;  // units of each sublayer within the budget that is being pruned to
  double measure_seconds_ = 0;
  std::vector<double> gram_seconds_, search_seconds_;  // of each sublayer
};

// Sums over the places of one sublayer.
struct RefitRun::FeatureSums {
  GramAccumulator gram;
  int64_t tokens = 0;
  double seconds = 0;
};

absl::Status RefitRun::Run() {
  const Checkpoint* const measured = first_.measured_for != nullptr ? first_.measured_for : first_.checkpoint;
  if (absl::Status status = state_.TakeBatchesFrom(measured); !status.ok()) return status;
  if (absl::Status status = state_.Embed(); !status.ok()) return status;
  // A run that only hands over what an earlier one finished decides nothing any more.
  if (!budgets_.ends_early()) {
    for (absl::Status (RefitRun::*step)() : {&RefitRun::Measure, &RefitRun::Search}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
  }
  absl::StatusOr<std::optional<BudgetTask>> task = first_;
  for (; task.ok() && *task; task = budgets_.Next(), ++budgets_done_) {
    if (absl::Status status = PruneTo(**task); !status.ok()) return status;
  }
  return task.status();
}

// Predicted losses against what units cost in the budget's own terms.
std::vector<SublayerCurve> RefitRun::CurvesFor(const FlopsBudget& budget) const {
  std::vector<SublayerCurve> curves;
  for (size_t k = 0; k < orders_.size(); ++k) {
    const int s = state_.own_sublayers()[k];
    const auto units = static_cast<int64_t>(orders_[k].units.size());
    std::vector<double> prices = EvenPrices(units, state_.unit_flops(s));
    if (budget.latency) {
      prices = budget.latency->costs.of(state_.teacher().sublayers[s].kind);
      prices.resize(units + 1);  // a layer may have lost some before
      for (double& price : prices) price *= static_cast<double>(PlacesOf(s).size());
    }
    curves.push_back({orders_[k].costs, std::move(prices), state_.rounding(s)});
  }
  return curves;
}

absl::Status RefitRun::PruneTo(const BudgetTask& task) {
  state_.StartOver(task.budget);
  kept_ = AllocateUnits(CurvesFor(task.budget), task.budget.to_spend());
  if (absl::Status status = state_.Embed(); !status.ok()) return status;
  absl::Status status = state_.SettleSublayers(
      task.checkpoint, [&] { return budgets_.ends_early(); }, [&](int t) { return Settle(t); });
  if (!status.ok()) return status;
  PruningResult result = state_.pruned();
  for (const RemovalOrder& order : orders_) result.curves.push_back(SampleCurve(order.costs));
  if (options_.distill > 0 && budgets_.ends_early()) {
    result.ended_early = true;
  } else if (options_.distill > 0) {
    if (status = Distilled(result); !status.ok()) return status;
  }
  return budgets_.Done(result);
}

void RefitRun::Tell(Stage stage, double from, double to, double done) {
  state_.observer().OnStage(stage, from + (to - from) * done);
}

void RefitRun::TellOfBudget(double done) {
  Tell(Stage::kTune, kSearched, 1, std::min(1.0, (budgets_done_ + done) / budgets_.most_budgets()));
}

absl::Status RefitRun::Measure() {
  const Stopwatch stopwatch;
  double furthest = 0;  // measuring again does not take it back
  absl::Status status = state_.MeasureWithinMemory("measuring", [&]() -> absl::Status {
    sensitivity_.reset();  // its memory, before there is another
    sensitivity_.emplace(state_.teacher(), options_.temperature, state_.largest_batch());
    absl::StatusOr<TokenWeights> weights =
        TokenWeights::Create(state_.tokens(), state_.teacher().num_sublayers(), options_.token_weighting,
                             state_.device(), state_.plan());
    if (!weights.ok()) return weights.status();
    token_weights_ = *std::move(weights);
    at::Generator random = at::make_generator<at::CPUGeneratorImpl>(options_.seed);
    return ForEachMeasured([&](const Batch& batch) -> absl::Status {
      furthest = std::max(furthest, static_cast<double>(batch.begin) / static_cast<double>(state_.tokens()));
      Tell(Stage::kMeasure, 0, kMeasured, furthest);
      absl::StatusOr<at::Tensor> x_Td = state_.streams().student(batch);
      if (!x_Td.ok()) return x_Td.status();
      return token_weights_->Set(batch, sensitivity_->Add(batch, *x_Td, random));
    });
  });
  measure_seconds_ = stopwatch.seconds();
  return status;
}

// Calls step(batch) for every batch on which the search measures: evenly spread over all lengths.
absl::Status RefitRun::ForEachMeasured(const std::function<absl::Status(const Batch&)>& step) const {
  const double share = MeasuredShare(static_cast<double>(samples_.size()));
  // Sequences that are due; the first batch always is.
  double due = state_.batches().empty() ? 0 : static_cast<double>(state_.batches().front().size()) / 2;
  return state_.ForEachBatch([&](const Batch& batch) {
    const auto size = static_cast<double>(batch.size());
    due += share * size;
    if (due < size / 2) return absl::OkStatus();
    due -= size;
    return step(batch);
  });
}

// Order of removal for every sublayer, on the uncompressed model's way up through the student's stream.
absl::Status RefitRun::Search() {
  const Encoder& teacher = state_.teacher();
  std::map<int, FeatureSums> sums;  // of sublayers with places still to come
  std::vector<RemovalProblem> waiting;
  const size_t together = state_.device().is_cpu() ? 1 : ExecutionPlan::kOrderedTogether;
  for (int place = 0; place < teacher.num_sublayers(); ++place) {
    Tell(Stage::kSearch, kMeasured, kSearched, static_cast<double>(place) / teacher.num_sublayers());
    const std::vector<int> places = PlacesOf(place);
    const int s = places.front();
    if (place == s) {
      sums.emplace(s, FeatureSums{GramAccumulator(teacher.sublayers[s].num_features(), 0, state_.device(),
                                                  ProductsFor(options_.damping, compute_type()))});
    }
    FeatureSums& own = sums.at(s);
    if (absl::Status status = AddFeatures(place, own); !status.ok()) return status;
    if (place < places.back()) continue;
    waiting.push_back(ProblemOf(s, own));
    gram_seconds_.push_back(own.seconds);
    sums.erase(s);
    if (waiting.size() < together && gram_seconds_.size() < state_.own_sublayers().size()) continue;
    if (absl::Status status = OrderNext(waiting); !status.ok()) return status;
    waiting.clear();
  }
  sensitivity_.reset();
  return absl::OkStatus();
}

absl::Status RefitRun::AddFeatures(int place, FeatureSums& sums) {
  const Encoder& teacher = state_.teacher();
  const std::vector<int> places = PlacesOf(place);
  const Stopwatch measuring;
  absl::Status status = ForEachMeasured([&](const Batch& batch) -> absl::Status {
    sums.tokens += batch.tokens();
    absl::StatusOr<at::Tensor> x_Td = state_.streams().student(batch);
    if (!x_Td.ok()) return x_Td.status();
    absl::StatusOr<at::Tensor> weights_T = token_weights_->Of(place, places, batch);
    if (!weights_T.ok()) return weights_T.status();
    const at::Tensor z_TU = teacher.Features(place, *x_Td, batch);
    sums.gram.Add(z_TU, at::empty({batch.tokens(), 0}, x_Td->options().dtype(at::kDouble)), *weights_T);
    return state_.streams().SetStudent(batch, teacher.Norm(place, teacher.PreNorm(place, *x_Td, z_TU)));
  });
  sums.seconds += measuring.seconds();
  return status;
}

// Of a sublayer in several places: G over the tokens in all of them, H the sum of theirs.
RemovalProblem RefitRun::ProblemOf(int s, const FeatureSums& sums) const {
  const Sublayer& sublayer = state_.result().sublayers[s];
  at::Tensor fisher_dd;
  for (const int place : PlacesOf(s)) {
    const at::Tensor of_place = sensitivity_->Fisher(place);
    fisher_dd = fisher_dd.defined() ? fisher_dd + of_place : of_place;
  }
  return {sums.gram.Matrix() / static_cast<double>(sums.tokens), sublayer.out.weight, fisher_dd,
          sublayer.unit_width};
}

// Orders of the sublayers that follow those which have theirs.
absl::Status RefitRun::OrderNext(absl::Span<const RemovalProblem> problems) {
  const Stopwatch searching;
  for (std::optional<RemovalOrder>& order : OrderRemovals(problems, options_.damping)) {
    if (!order) {
      return absl::InternalError(absl::StrCat(
          "what sublayer ", state_.own_sublayers()[orders_.size()],
          " contributes is not finite; the model's activations overflow float32 on these samples"));
    }
    orders_.push_back(*std::move(order));
  }
  search_seconds_.resize(orders_.size(), searching.seconds() / static_cast<double>(problems.size()));
  return absl::OkStatus();
}

absl::StatusOr<PrunedSublayer> RefitRun::Settle(int t) {
  PrunedSublayer pruned;
  const int k = state_.IndexOf(t), sublayers = static_cast<int>(state_.own_sublayers().size());
  TellOfBudget((options_.distill > 0 ? kSettled : 1) * k / sublayers);
  const std::vector<int64_t>& order = orders_[k].units;
  pruned.keep.assign(order.end() - kept_[k], order.end());
  std::sort(pruned.keep.begin(), pruned.keep.end());
  pruned.row = state_.RowOf(t, pruned.keep);
  pruned.row.measure_seconds = measure_seconds_ / sublayers + gram_seconds_[k];
  pruned.row.search_seconds = search_seconds_[k];
  state_.Keep(t, pruned.keep);
  const Linear kept_in = state_.result().sublayers[t].in;
  absl::StatusOr<Linear> out = state_.FitOutput(t, [&](bool from_teacher) -> absl::StatusOr<Linear> {
    if (absl::Status status = RefitOnce(t, kept_in, from_teacher, pruned); !status.ok()) return status;
    return pruned.out;
  });
  if (!out.ok()) return out.status();
  if (absl::Status status = state_.Finish(t, pruned); !status.ok()) return status;
  return pruned;
}

// Refits the input, whose rows were `kept_in` before any refit, and the output of t.
absl::Status RefitRun::RefitOnce(int t, const Linear& kept_in, bool from_teacher, PrunedSublayer& pruned) {
  // At the first sublayer both streams are the embeddings.
  const bool streams_differ = !from_teacher && (t > 0 || state_.IsShared(t));
  if (options_.input_ridge > 0 && streams_differ && !pruned.keep.empty()) {
    absl::StatusOr<Linear> in = RefitInput(t, kept_in);
    if (!in.ok()) return in.status();
    pruned.in = *std::move(in);
    state_.ReplaceInput(t, pruned.in);
  }
  absl::StatusOr<AffineFit> fit = RefitOutput(t, from_teacher);
  if (!fit.ok()) return fit.status();
  const Sublayer& target = state_.result().sublayers[t];
  pruned.out = {RoundedToCheckpoint(fit->weights_Ud.t(), target.stored_type),
                RoundedToCheckpoint(target.out.bias.to(at::kDouble) + fit->constant_d, target.stored_type)};
  pruned.row.solver = fit->solution.path;
  pruned.row.condition = fit->solution.condition;
  pruned.row.reconstruction_error = fit->solution.relative_error;
  return absl::OkStatus();
}

// The kept rows V learn to give, from the student's hidden states x, what they gave from the teacher's y:
// with the best affine estimate y ~ x + x D + c, that is V + V D^T, and V c more bias.
absl::StatusOr<Linear> RefitRun::RefitInput(int t, const Linear& in) {
  const int64_t d = in.weight.size(1);
  AffineEquations equations(d, d, options_.input_ridge, compute_type(), state_.device());
  absl::Status status = state_.ForEachInput(t, [&](const Batch&, const PlaceStates& at) {
    const at::Tensor student_Td = state_.teacher().Input(at.place, at.x_Td);
    equations.Add(student_Td, state_.teacher().Input(at.place, at.y_Td) - student_Td, {});
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  const AffineFit fit = equations.Solve(at::zeros({d, d}, in.weight.options().dtype(at::kDouble)));
  const at::Tensor weight = in.weight.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true),
                   bias = in.bias.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
  const DType type = state_.result().sublayers[t].stored_type;
  // DeBERTa's relative positions may go through the same queries and keys, and do not change: values do.
  const RelativePositions& positions = state_.result().sublayers[t].positions;
  const bool shared = positions.embeddings_Rd.defined() && !positions.key.weight.defined() &&
                      !positions.query.weight.defined();
  const int64_t first = shared ? weight.size(0) / 3 * 2 : 0, rows = weight.size(0) - first;
  const at::Tensor refitted = weight.narrow(0, first, rows).clone();
  weight.narrow(0, first, rows).add_(refitted.mm(fit.weights_Ud.t()));
  bias.narrow(0, first, rows).add_(refitted.mv(fit.constant_d));
  return Linear{RoundedToCheckpoint(weight, type), RoundedToCheckpoint(bias, type)};
}

// Least squares for the kept units of t; see PruningState::ForEachOutput.
absl::StatusOr<AffineFit> RefitRun::RefitOutput(int t, bool from_teacher) {
  const Sublayer& target = state_.result().sublayers[t];
  AffineEquations equations(target.num_features(), target.out.bias.size(0), options_.ridge, compute_type(),
                            state_.device());
  const std::vector<int> places = PlacesOf(t);
  const auto add = [&](const Batch& batch, const PlaceStates& at) -> absl::Status {
    absl::StatusOr<at::Tensor> weights_T = token_weights_->Of(at.place, places, batch);
    if (!weights_T.ok()) return weights_T.status();
    const at::Tensor residual_Td = (at.y_Td - at.x_Td).sub_(target.out.bias);
    equations.Add(state_.Features(batch, at), residual_Td, *weights_T);
    return absl::OkStatus();
  };
  absl::Status status = state_.ForEachOutput(t, add, from_teacher);
  if (!status.ok()) return status;
  return equations.Solve(target.out.weight.t().to(at::kDouble));
}

absl::Status RefitRun::Distilled(PruningResult& result) {
  const DistillationOptions options{
      .steps = options_.distill, .temperature = options_.temperature, .seed = options_.seed};
  absl::StatusOr<Encoder> distilled =
      Distill(state_.teacher(), result.encoder, own_samples_, options, [&](double done) {
        TellOfBudget(kSettled + (1 - kSettled) * done);
        return !state_.observer().cancelled();
      });
  if (!distilled.ok()) return distilled.status();
  result.encoder = *std::move(distilled);
  return absl::OkStatus();
}

}  // namespace

double MeasuredShare(double sequences) {
  return std::min(1.0, std::clamp(sequences / 2, kFewestMeasured, kMostMeasured) / sequences);
}

absl::Status Refit(const Encoder& model, absl::Span<const Sample> samples, const Options& options,
                   const ExecutionPlan& plan, BudgetSource& budgets, ProgressObserver& observer) {
  c10::NoGradGuard no_grad;
  const absl::StatusOr<std::optional<BudgetTask>> first = budgets.Next();
  if (!first.ok() || !*first) return first.status();
  return RefitRun(model, samples, options, plan, budgets, **first, observer).Run();
}

}  // namespace kprune
