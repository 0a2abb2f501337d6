#include "engine/kprune/kprune.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "engine/cost/flops.h"
#include "engine/kprune/knowledge.h"
#include "engine/kprune/mask_search.h"
#include "engine/kprune/out_of_memory.h"
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

// The state of a run: the models and streams at the target sublayer, and the budget that is left.
class Pruning {
 public:
  Pruning(const Encoder& model, absl::Span<const Sample> samples, const FlopsBudget& budget,
          const Options& options, const ExecutionPlan& plan, ProgressObserver& observer)
      : samples_(samples),
        budget_(budget),
        options_(options),
        plan_(plan),
        observer_(observer),
        teacher_(model.WithComputeType(plan.compute_type)),
        student_(teacher_),
        result_{model, {}, {}, 0, 0},
        budget_left_(budget.budget_flops) {}

  absl::StatusOr<KPruneResult> Run(Checkpoint* checkpoint);

 private:
  absl::Status Start();
  absl::Status Replay(int t, const SublayerCheckpoint& record);
  absl::StatusOr<SublayerCheckpoint> Prune(int t);

  absl::StatusOr<std::vector<UnitKnowledge>> Measure(int t);
  absl::StatusOr<std::vector<UnitKnowledge>> MeasureOnce(int t, int64_t largest_batch);
  absl::StatusOr<TunedProjection> Tune(int t);
  absl::Status Advance(int t);

  void Keep(int t, const Selection& keep);
  void Finish(int t, const Linear& out, const SublayerPruned& row);
  double KeptFlops(int t, size_t units) const;
  void SetBatchTokens(int64_t batch_tokens);
  void WarnOfOverfitting(int t);
  double FractionDone(int t, double within) const;

  const absl::Span<const Sample> samples_;
  const FlopsBudget& budget_;
  const Options& options_;
  ExecutionPlan plan_;
  ProgressObserver& observer_;
  const Encoder teacher_;
  Encoder student_;  // both with projections in the compute type
  KPruneResult result_;
  double budget_left_;
  std::vector<Batch> batches_;
  std::optional<Streams> streams_;
  at::Tensor teacher_outputs_;  // [samples, C], "kl-gradient" only
  bool warned_of_overfitting_ = false;
  double furthest_ = 0;  // progress: measuring a sublayer again does not take it back
};

absl::StatusOr<KPruneResult> Pruning::Run(Checkpoint* checkpoint) {
  if (absl::Status status = Start(); !status.ok()) return status;
  for (int t = 0; t < teacher_.num_sublayers(); ++t) {
    if (checkpoint != nullptr && t < checkpoint->size()) {
      absl::StatusOr<SublayerCheckpoint> record = checkpoint->Read(t);
      if (!record.ok()) return record.status();
      if (absl::Status status = Replay(t, *record); !status.ok()) return status;
    } else {
      absl::StatusOr<SublayerCheckpoint> record = Prune(t);
      if (!record.ok()) return record.status();
      if (checkpoint != nullptr) {
        if (absl::Status status = checkpoint->Append(*record); !status.ok()) return status;
      }
    }
    observer_.OnSublayer(result_.sublayers.back());
    // Every sublayer keeps a number of units of its own: the heap would fill with holes of all sizes.
    malloc_trim(0);
  }
  return std::move(result_);
}

absl::Status Pruning::Start() {
  SetBatchTokens(plan_.batch_tokens);
  const int64_t tokens = batches_.empty() ? 0 : batches_.back().end();
  absl::StatusOr<Streams> streams = Streams::Create(teacher_, tokens, plan_.streams, plan_.scratch_directory);
  if (!streams.ok()) return streams.status();
  streams_.emplace(*std::move(streams));
  const bool outputs = options_.predictive == "kl-gradient";
  if (outputs) {
    teacher_outputs_ = at::empty({static_cast<int64_t>(samples_.size()), teacher_.config.num_labels},
                                 teacher_.word_embeddings.options());
  }
  for (const Batch& batch : batches_) {
    if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
    if (absl::Status status = streams_->Embed(batch); !status.ok()) return status;
    if (outputs) teacher_outputs_.index_copy_(0, batch.samples_device, teacher_.Run(batch));
  }
  return absl::OkStatus();
}

// Only what the checkpoint does not hold is computed: the hidden states.
absl::Status Pruning::Replay(int t, const SublayerCheckpoint& record) {
  SetBatchTokens(record.batch_tokens);
  Keep(t, record.kept_positions);
  const at::Device device = teacher_.word_embeddings.device();
  Finish(t, {record.out_weight_dK.to(device), record.out_bias_d.to(device)}, record.pruned);
  ++result_.resumed_sublayers;
  if (t + 1 == teacher_.num_sublayers()) return absl::OkStatus();
  for (const Batch& batch : batches_) {
    if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
    if (auto y_Td = streams_->AdvanceTeacherToOutput(t, batch); !y_Td.ok()) return y_Td.status();
  }
  return Advance(t);
}

absl::StatusOr<SublayerCheckpoint> Pruning::Prune(int t) {
  const Sublayer target = result_.encoder.sublayers[t];

  const Stopwatch measuring;
  absl::StatusOr<std::vector<UnitKnowledge>> knowledge = Measure(t);
  if (!knowledge.ok()) return knowledge.status();
  const double measure_seconds = measuring.seconds();

  const Stopwatch searching;
  observer_.OnStage(Stage::kSearch, FractionDone(t, 1));
  auto scores = Score(student_, t, *knowledge, budget_.sequence_length, options_);
  if (!scores.ok()) return scores.status();
  const Selection keep = SearchBottomSublayer(*scores, budget_left_);
  const double search_seconds = searching.seconds();

  const Stopwatch tuning;
  observer_.OnStage(Stage::kTune, FractionDone(t, 1));
  Keep(t, keep);
  WarnOfOverfitting(t);
  absl::StatusOr<TunedProjection> tuned = Tune(t);
  if (!tuned.ok()) return tuned.status();
  if (tuned->solution.path == "kept-weights") {
    observer_.OnWarning(
        absl::StrCat("sublayer ", t, ": no refit fits better than the original weights, which were kept"));
  }
  const SublayerPruned row = {.index = t,
                              .total = teacher_.num_sublayers(),
                              .layer = target.layer,
                              .kind = target.kind,
                              .units = static_cast<int>(target.num_units()),
                              .kept = static_cast<int>(keep.size()),
                              .budget_left_flops = budget_left_ - KeptFlops(t, keep.size()),
                              .measure_seconds = measure_seconds,
                              .search_seconds = search_seconds,
                              .solver = tuned->solution.path,
                              .condition = tuned->solution.condition,
                              .reconstruction_error = tuned->solution.relative_error};
  Finish(t, tuned->out, row);
  if (absl::Status status = Advance(t); !status.ok()) return status;
  result_.sublayers.back().tune_seconds = tuning.seconds();
  return SublayerCheckpoint{result_.sublayers.back(), keep, tuned->out.weight.to(at::kCPU),
                            tuned->out.bias.to(at::kCPU), plan_.batch_tokens};
}

// Measures with smaller batches where memory runs out.
absl::StatusOr<std::vector<UnitKnowledge>> Pruning::Measure(int t) {
  while (true) {
    int64_t largest = 0, sequences = 0;
    for (const Batch& batch : batches_) {
      largest = std::max(largest, batch.tokens());
      sequences = std::max(sequences, batch.size());
    }
    int64_t smaller = plan_.batch_tokens / 2;
    while (smaller >= largest && smaller > 1) smaller /= 2;
    try {
      return MeasureOnce(t, largest);
    } catch (const std::exception& error) {
      // Batches of one sequence each cannot be cut.
      if (!IsOutOfMemory(error) || sequences <= 1) throw;
    }
    observer_.OnWarning(absl::StrCat("sublayer ", t, ": out of memory with batches of ", plan_.batch_tokens,
                                     " tokens; measuring it again with ", smaller));
    SetBatchTokens(smaller);
  }
}

// One pass over the samples from the input of sublayer t: knowledge of everything that remains.
// `largest_batch` is in tokens.
absl::StatusOr<std::vector<UnitKnowledge>> Pruning::MeasureOnce(int t, int64_t largest_batch) {
  KnowledgeAccumulator knowledge(student_, t, options_, largest_batch);
  // Its own for each sublayer: a resumed run draws what an uninterrupted one does.
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(
      static_cast<uint64_t>(options_.seed) * 1000003 + static_cast<uint64_t>(t));
  for (size_t k = 0; k < batches_.size(); ++k) {
    if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
    furthest_ = std::max(furthest_, FractionDone(t, static_cast<double>(k) / batches_.size()));
    observer_.OnStage(Stage::kMeasure, furthest_);
    const Batch& batch = batches_[k];
    absl::StatusOr<at::Tensor> x_Td = streams_->student(batch);
    if (!x_Td.ok()) return x_Td.status();
    const at::Tensor teacher_NC =
        teacher_outputs_.defined() ? teacher_outputs_.index_select(0, batch.samples_device) : at::Tensor();
    knowledge.Add(batch, *x_Td, teacher_NC, random);
  }
  return knowledge.Result();
}

// Least squares for the kept units of t; leaves the teacher's stream at its output before the norm.
absl::StatusOr<TunedProjection> Pruning::Tune(int t) {
  TuningAccumulator equations(result_.encoder.sublayers[t]);
  for (const Batch& batch : batches_) {
    if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
    absl::StatusOr<at::Tensor> teacher_Td = streams_->AdvanceTeacherToOutput(t, batch);
    if (!teacher_Td.ok()) return teacher_Td.status();
    absl::StatusOr<at::Tensor> student_Td = streams_->student(batch);
    if (!student_Td.ok()) return student_Td.status();
    equations.Add(student_.Features(t, *student_Td, batch), *student_Td, *teacher_Td);
  }
  return TuneOutput(result_.encoder.sublayers[t], equations.Result());
}

absl::Status Pruning::Advance(int t) {
  if (t + 1 == teacher_.num_sublayers()) return absl::OkStatus();  // nothing stands above
  for (const Batch& batch : batches_) {
    if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
    if (absl::Status status = streams_->Advance(student_, t, batch); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void Pruning::Keep(int t, const Selection& keep) {
  for (Encoder* encoder : {&student_, &result_.encoder}) encoder->Keep(t, keep);
}

void Pruning::Finish(int t, const Linear& out, const SublayerPruned& row) {
  for (Encoder* encoder : {&student_, &result_.encoder}) encoder->ReplaceOutput(t, out);
  result_.kept_flops += KeptFlops(t, row.kept);
  budget_left_ = row.budget_left_flops;
  result_.sublayers.push_back(row);
  result_.batch_tokens.push_back(plan_.batch_tokens);
}

double Pruning::KeptFlops(int t, size_t units) const {
  return static_cast<double>(units) *
         UnitFlops(teacher_.config, teacher_.sublayers[t].kind, budget_.sequence_length);
}

void Pruning::SetBatchTokens(int64_t batch_tokens) {
  if (!batches_.empty() && batch_tokens == plan_.batch_tokens) return;
  plan_.batch_tokens = batch_tokens;
  const bool grouped = options_.predictive == "kl-gradient";
  batches_ = MakeBatches(samples_, grouped ? options_.batch_size : kAnyNumber, options_.batch_order,
                         teacher_.word_embeddings.device(), batch_tokens);
}

// Says once that the samples are too few for least squares to mean anything.
void Pruning::WarnOfOverfitting(int t) {
  const int64_t tokens = batches_.empty() ? 0 : batches_.back().end();
  const int64_t kept_features = student_.sublayers[t].num_features();
  if (warned_of_overfitting_ || tokens >= 2 * kept_features) return;
  warned_of_overfitting_ = true;
  observer_.OnWarning(
      absl::StrCat("the samples have ", tokens, " tokens, but sublayer ", t, " keeps ", kept_features,
                   " features: with fewer than two tokens a feature the tuned weights overfit; "
                   "give more samples"));
}

// Share of all the work that is done when `within` of the measurement of sublayer t is: measuring sublayer t
// costs the 2L - t sublayers that remain.
double Pruning::FractionDone(int t, double within) const {
  const double sublayers = teacher_.num_sublayers();
  const auto cost_below = [&](double n) { return n * sublayers - n * (n - 1) / 2; };
  return (cost_below(t) + within * (sublayers - t)) / cost_below(sublayers);
}

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

absl::StatusOr<KPruneResult> KPrune(const Encoder& model, absl::Span<const Sample> samples,
                                    const FlopsBudget& budget, const Options& options,
                                    const ExecutionPlan& plan, Checkpoint* checkpoint,
                                    ProgressObserver& observer) {
  c10::NoGradGuard no_grad;
  return Pruning(model, samples, budget, options, plan, observer).Run(checkpoint);
}

}  // namespace kprune
