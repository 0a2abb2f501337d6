// The state of a pruning run, whatever the method: the models and the streams at the target sublayer, and the
// budget that is left. Methods decide what a sublayer keeps and with which weights; everything else is here.
//
// Layers may share their weights (ModelConfig::PlacesOf): these are pruned as one, and settled by what they
// see in all places. The streams then stand at the input of the first of these layers until its attention and
// its feed-forward sublayer are both settled, and the places above are computed from there.
//
// Shapes: T tokens of a batch, d hidden size, K kept features of a sublayer.
#ifndef KPRUNE_ENGINE_PRUNING_PRUNING_STATE_H_
#define KPRUNE_ENGINE_PRUNING_PRUNING_STATE_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/encoder.h"
#include "engine/pruning/at_once.h"
#include "engine/pruning/budget.h"
#include "engine/pruning/checkpoint.h"
#include "engine/pruning/execution_plan.h"
#include "engine/pruning/loss_curve.h"
#include "engine/pruning/setting_choice.h"
#include "engine/pruning/stopwatch.h"
#include "engine/pruning/streams.h"
#include "kprune/progress.h"

namespace kprune {

struct PruningResult {
  Encoder encoder;                        // float32
  std::vector<SublayerPruned> sublayers;  // bottom up
  std::vector<int64_t> batch_tokens;      // with which each of them was pruned
  int resumed_sublayers = 0;              // taken from the checkpoint
  double kept_flops = 0;                  // of one sequence; at most the budget
  std::optional<SettingChoice> choice;    // where the method chose its own setting
  std::vector<LossCurve> curves;          // of each sublayer; empty where the method predicts no loss
  // The run was asked to end before it was through: sublayers of solver "untouched" keep all that they had.
  bool ended_early = false;
};

// Asked before each sublayer: whether a run is to leave it and all above as they are. Empty: never.
using EndsEarly = std::function<bool()>;

// What the refit of a sublayer sees of a batch in one of the places where it is applied.
struct PlaceStates {
  int place = 0;
  at::Tensor x_Td;  // the student's hidden states at its input
  at::Tensor y_Td;  // the teacher's, there or at its output before the norm
};

// How often a shared sublayer is refitted to what the student's own hidden states are in all its places,
// which every refit changes.
inline constexpr int kSharedRounds = 3;

// What a method settles of one sublayer.
struct PrunedSublayer {
  Selection keep;
  Linear in;                    // of the kept units; undefined where the original rows stay
  Linear out;                   // [d, K] and [d]
  SublayerPruned row;           // without tune_seconds: what Keep to Finish take
  std::vector<Selection> next;  // what was decided of the sublayers above in the same go
};

// Not thread-safe.
class PruningState {
 public:
  // How samples stand in batches: groups of so many sequences, "length" or "file".
  struct Order {
    int64_t group_size = kAnyNumber;
    std::string batch_order = "length";
  };

  // All are borrowed but the plan.
  PruningState(const Encoder& model, absl::Span<const Sample> samples, const FlopsBudget& budget,
               const ExecutionPlan& plan, const Order& order, ProgressObserver& observer);

  // The uncompressed model, and what has become of it so far; both with projections in the compute type.
  const Encoder& teacher() const { return teacher_; }
  const Encoder& student() const { return student_; }
  // The student in float32, as it will be handed over.
  const Encoder& result() const { return result_.encoder; }
  // The sublayers to settle, bottom up: those that are the first to apply their weights.
  const std::vector<int>& own_sublayers() const { return own_sublayers_; }
  // Where the streams stand while sublayer t is settled.
  int StreamsAt(int t) const { return IsShared(t) ? t - t % 2 : t; }
  // Whether several places apply its weights.
  bool IsShared(int t) const { return teacher_.config.PlacesOf(t).size() > 1; }
  at::Device device() const { return teacher_.device(); }
  ProgressObserver& observer() const { return observer_; }

  const std::vector<Batch>& batches() const { return batches_; }
  int64_t tokens() const { return batches_.empty() ? 0 : batches_.back().end(); }
  int64_t num_samples() const { return static_cast<int64_t>(samples_.size()); }
  int64_t largest_batch() const;  // tokens
  const ExecutionPlan& plan() const { return plan_; }
  const FlopsBudget& budget() const { return budget_; }
  double budget_left() const { return budget_left_; }
  // What the sublayer that was settled last says of those above it; of a resumed run, too.
  const std::vector<Selection>& decided() const { return decided_; }
  double unit_flops(int t) const;  // in all places
  int64_t rounding(int t) const;   // the kept units of t are a multiple of it, or all

  // Which of the own sublayers t is.
  int IndexOf(int t) const;

  // The row of sublayer t if it keeps `keep`; how that came about is for the method to add.
  SublayerPruned RowOf(int t, const Selection& keep) const;

  // Cuts batches as the run that left `checkpoint` (may be null) did when it had measured: for methods that
  // measure before the first sublayer.
  absl::Status TakeBatchesFrom(const Checkpoint* checkpoint);

  // Forgets every sublayer that was settled: the student is the uncompressed model again, to be pruned to
  // `budget`.
  void StartOver(const FlopsBudget& budget);

  // Back to the input of sublayer t, which was settled: t and those above are the uncompressed model's again,
  // and the streams move through those below as they were settled. What follows gives the bits that it would
  // have given the first time.
  absl::Status Rewind(int t);

  // Puts both streams at the embeddings; the first call reserves them. Errors are those of HiddenStates.
  absl::Status Embed();
  Streams& streams() { return *streams_; }

  // Calls step(batch) for every batch; Cancelled as soon as the observer says so.
  absl::Status ForEachBatch(const std::function<absl::Status(const Batch&)>& step) const;

  // ForEachAtOnce of a finer cut, with which all workers' batches together have plan().batch_tokens tokens;
  // each has at most largest_piece().
  int workers() const { return MeasuredAtOnce(device(), plan_.batch_tokens); }
  int64_t largest_piece();  // tokens
  absl::Status ForEachPieceAtOnce(const WorkerStep& step);

  // Calls step(batch, states) for every batch and every place of sublayer t, with the teacher's hidden states
  // at the input: what the refit of an input projection needs.
  using PlaceStep = std::function<absl::Status(const Batch&, const PlaceStates&)>;
  absl::Status ForEachInput(int t, const PlaceStep& step);

  // The same with the teacher's output before the norm, where its stream is left unless t is shared: what the
  // refit of an output projection needs; as often as it takes. `from_teacher`, of a shared sublayer: the
  // student's hidden states are taken from the teacher, too, as long as the student has no weights that go
  // with its units.
  absl::Status ForEachOutput(int t, const PlaceStep& step, bool from_teacher = false);

  // The student's features in the place that a step of ForEachOutput sees. Those of as many batches as memory
  // allows are kept until the streams go on, which need them again.
  at::Tensor Features(const Batch& batch, const PlaceStates& at);

  // Calls `measure`, and again with smaller batches where memory runs out, after a warning that begins with
  // `what`.
  absl::Status MeasureWithinMemory(const std::string& what, const std::function<absl::Status()>& measure);

  // Settles all sublayers, bottom up: those that `checkpoint` (may be null) holds as it says, the others as
  // `prune` does, which calls Keep, ReplaceInput and Finish. What is new goes to the checkpoint; every row
  // goes to the observer. Once `ends_early` says so, those that the checkpoint does not hold stay whole.
  absl::Status SettleSublayers(Checkpoint* checkpoint, const EndsEarly& ends_early,
                               const std::function<absl::StatusOr<PrunedSublayer>(int t)>& prune);

  // The steps of settling sublayer t, in this order. Keep says once that the samples are too few where they
  // are too few for least squares of the kept features to mean anything.
  void Keep(int t, const Selection& keep);
  void ReplaceInput(int t, const Linear& in);
  void ReplaceOutput(int t, const Linear& out);
  // The output projection of t that fit(from_teacher) finds by ForEachOutput. Of a shared sublayer, whose
  // places see what the ones below give, it is fitted again from there, each time with the one before.
  using OutputFit = std::function<absl::StatusOr<Linear>(bool from_teacher)>;
  absl::StatusOr<Linear> FitOutput(int t, const OutputFit& fit);
  absl::Status Finish(int t, const PrunedSublayer& pruned);  // both streams go on to where the next one is

  const PruningResult& pruned() const { return result_; }

 private:
  const std::vector<Batch>& pieces();
  std::vector<Batch> Cut(int64_t batch_tokens, int64_t multiple) const;
  absl::Status Replay(int t, const SublayerCheckpoint& record);
  absl::Status Settle(int t, Checkpoint* checkpoint,
                      const std::function<absl::StatusOr<PrunedSublayer>(int t)>& prune);
  void LeaveFrom(int k);
  void Record(int t, const PrunedSublayer& pruned);
  absl::Status AdvancePast(int t);
  std::vector<at::Tensor> TakeFeatures();
  absl::Status ForEachPlace(int t, bool from_teacher, bool outputs, const PlaceStep& step);
  void SetBatchTokens(int64_t batch_tokens);
  void WarnOfOverfitting(int t);

  const absl::Span<const Sample> samples_;
  FlopsBudget budget_;
  ExecutionPlan plan_;
  const Order order_;
  ProgressObserver& observer_;
  const Encoder original_;  // float32
  const Encoder teacher_;
  const std::vector<int> own_sublayers_;
  Encoder student_;
  PruningResult result_;
  double budget_left_;
  std::vector<Selection> decided_;
  std::vector<Batch> batches_;
  std::vector<Batch> pieces_;  // of batch_tokens / workers() tokens, where several are measured at once
  std::optional<Streams> streams_;
  bool teacher_is_at_output_ = false;  // of the sublayer at whose input the student's stream stands
  std::vector<at::Tensor> features_;   // kept, of each batch
  int64_t feature_bytes_ = 0;          // of these
  Stopwatch settling_;                 // since the last Keep
  bool warned_of_overfitting_ = false;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_PRUNING_STATE_H_
