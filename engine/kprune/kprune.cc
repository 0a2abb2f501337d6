#include "engine/kprune/kprune.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "engine/cost/flops.h"
#include "engine/kprune/knowledge.h"
#include "engine/kprune/mask_search.h"
#include "engine/kprune/streams.h"
#include "engine/kprune/weight_tuning.h"

namespace kprune {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

struct Measurement {
  std::vector<UnitKnowledge> knowledge;  // of sublayers t .. 2L - 1
  NormalEquations equations;             // of the target's output projection, all features
};

// One pass over the samples from the input of sublayer t: knowledge of everything that remains, and the sums
// for tuning t.
absl::StatusOr<Measurement> Measure(const Encoder& student, int t, const Streams& streams,
                                    const Options& options, at::Generator& random,
                                    ProgressObserver& observer) {
  KnowledgeAccumulator knowledge(student, t, options);
  TuningAccumulator tuning(student.sublayers[t]);
  for (size_t k = 0; k < streams.batches().size(); ++k) {
    if (observer.cancelled()) return absl::CancelledError("the job was cancelled");
    observer.OnStage(Stage::kMeasure,
                     streams.FractionDone(t, static_cast<double>(k) / streams.batches().size()));
    const at::Tensor features_TU =
        knowledge.Add(streams.batches()[k], streams.student(k), streams.teacher_output(k), random);
    tuning.Add(features_TU, streams.student(k), streams.teacher(k));
  }
  return Measurement{knowledge.Result(), tuning.Result()};
}

// S(unit) of every remaining unit: S(head) = mu (lambda_pred K_pred + lambda_rep K_rep) / F_head, S(neuron) =
// (...) / F_neuron.
absl::StatusOr<std::vector<SublayerScores>> Score(const Encoder& student, int t,
                                                  const std::vector<UnitKnowledge>& knowledge,
                                                  double sequence_length, const Options& options) {
  std::vector<SublayerScores> result;
  for (size_t i = 0; i < knowledge.size(); ++i) {
    const SublayerKind kind = student.sublayers[t + i].kind;
    SublayerScores& scores = result.emplace_back();
    scores.unit_flops = UnitFlops(student.config, kind, sequence_length);
    const double mu = kind == SublayerKind::kAttention ? options.effective_mu() : 1.0;
    for (size_t u = 0; u < knowledge[i].predictive.size(); ++u) {
      const double k = options.lambda_pred * knowledge[i].predictive[u] +
                       options.lambda_rep * knowledge[i].representational[u];
      scores.scores.push_back(mu * k / scores.unit_flops);
      if (!std::isfinite(scores.scores.back())) {
        return absl::InternalError(
            absl::StrCat("the score of unit ", u, " of sublayer ", t + i,
                         " is not finite; the model's activations overflow float32 on these samples"));
      }
    }
  }
  return result;
}

// Says once that the samples are too few for least squares to mean anything.
class OverfitWarning {
 public:
  OverfitWarning(absl::Span<const Batch> batches, ProgressObserver& observer) : observer_(observer) {
    for (const Batch& batch : batches) tokens_ += batch.tokens();
  }

  void Check(int t, int64_t kept_features) {
    if (warned_ || tokens_ >= 2 * kept_features) return;
    warned_ = true;
    observer_.OnWarning(
        absl::StrCat("the samples have ", tokens_, " tokens, but sublayer ", t, " keeps ", kept_features,
                     " features: with fewer than two tokens a feature the tuned weights overfit; "
                     "give more samples"));
  }

 private:
  ProgressObserver& observer_;
  int64_t tokens_ = 0;
  bool warned_ = false;
};

}  // namespace

absl::StatusOr<FlopsBudget> MakeBudget(const ModelConfig& config, double keep_flops, double sequence_length) {
  FlopsBudget budget{sequence_length, EncoderFlops(config, sequence_length), 0};
  budget.budget_flops = keep_flops * budget.original_flops;
  if (budget.original_flops <= 0)
    return absl::FailedPreconditionError("the model has no heads and no neurons left to prune");
  // A unit of the dearer kind must fit: it may be the first that the search takes.
  double dearest = 0;
  for (SublayerKind kind : {SublayerKind::kAttention, SublayerKind::kFeedForward}) {
    const auto& layers = kind == SublayerKind::kAttention ? config.heads : config.neurons;
    const bool present =
        std::any_of(layers.begin(), layers.end(), [](const auto& units) { return !units.empty(); });
    if (present) dearest = std::max(dearest, UnitFlops(config, kind, sequence_length));
  }
  if (budget.budget_flops < dearest) {
    return absl::FailedPreconditionError(absl::StrCat(
        "keep_flops ", keep_flops, " leaves less than one unit; the reachable range of this model is ",
        dearest / budget.original_flops, " to 1"));
  }
  return budget;
}

absl::StatusOr<KPruneResult> KPrune(const Encoder& model, absl::Span<const Batch> batches,
                                    const FlopsBudget& budget, const Options& options,
                                    ProgressObserver& observer) {
  c10::NoGradGuard no_grad;
  const Encoder& teacher = model;
  KPruneResult result{model, {}, 0};
  Encoder& student = result.encoder;
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(options.seed);
  double budget_left = budget.budget_flops;
  OverfitWarning overfit(batches, observer);
  Streams streams(teacher, batches, /*keep_outputs=*/options.predictive == "kl-gradient");

  for (int t = 0; t < student.num_sublayers(); ++t) {
    const Sublayer target = student.sublayers[t];

    const Stopwatch measuring;
    streams.AdvanceTeacherToOutput(t);
    absl::StatusOr<Measurement> measurement = Measure(student, t, streams, options, random, observer);
    if (!measurement.ok()) return measurement.status();
    const double measure_seconds = measuring.seconds();

    const Stopwatch searching;
    observer.OnStage(Stage::kSearch, streams.FractionDone(t, 1));
    auto scores = Score(student, t, measurement->knowledge, budget.sequence_length, options);
    if (!scores.ok()) return scores.status();
    const Selection keep = SearchBottomSublayer(*scores, budget_left);
    const double search_seconds = searching.seconds();

    const Stopwatch tuning;
    observer.OnStage(Stage::kTune, streams.FractionDone(t, 1));
    const TunedProjection tuned = TuneOutput(target, measurement->equations, keep);
    student.Replace(t, keep, tuned.out);
    overfit.Check(t, student.sublayers[t].num_features());
    streams.Advance(student, t);
    const double kept_flops = static_cast<double>(keep.size()) * (*scores)[0].unit_flops;
    budget_left -= kept_flops;
    result.kept_flops += kept_flops;

    result.sublayers.push_back({.index = t,
                                .total = student.num_sublayers(),
                                .layer = target.layer,
                                .kind = target.kind,
                                .units = static_cast<int>(target.num_units()),
                                .kept = static_cast<int>(keep.size()),
                                .budget_left_flops = budget_left,
                                .measure_seconds = measure_seconds,
                                .search_seconds = search_seconds,
                                .tune_seconds = tuning.seconds(),
                                .solver = tuned.solution.path,
                                .condition = tuned.solution.condition,
                                .reconstruction_error = tuned.solution.relative_error});
    observer.OnSublayer(result.sublayers.back());
    if (tuned.solution.path == "kept-weights") {
      observer.OnWarning(
          absl::StrCat("sublayer ", t, ": no refit fits better than the original weights, which were kept"));
    }
  }
  return result;
}

}  // namespace kprune
