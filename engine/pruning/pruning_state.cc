#include "engine/pruning/pruning_state.h"

#include <ATen/ATen.h>
#include <malloc.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/cost/flops.h"
#include "engine/pruning/out_of_memory.h"
#include "kprune/out_of_memory_warning.h"

namespace kprune {
namespace {

Linear OnDevice(const Linear& linear, at::Device device) {
  if (!linear.weight.defined()) return {};
  return {linear.weight.to(device), linear.bias.to(device)};
}

int64_t LargestOf(const std::vector<Batch>& batches) {
  int64_t largest = 0;
  for (const Batch& batch : batches) largest = std::max(largest, batch.tokens());
  return largest;
}

}  // namespace

PruningState::PruningState(const Encoder& model, absl::Span<const Sample> samples, const FlopsBudget& budget,
                           const ExecutionPlan& plan, const Order& order, ProgressObserver& observer)
    : samples_(samples),
      budget_(budget),
      plan_(plan),
      order_(order),
      observer_(observer),
      original_(model),
      teacher_(model.WithComputeType(plan.compute_type)),
      own_sublayers_(model.config.OwnSublayers()),
      student_(teacher_),
      result_{model, {}, {}, 0, 0, {}},
      budget_left_(budget.budget_flops) {
  SetBatchTokens(plan.batch_tokens);
}

double PruningState::unit_flops(int t) const {
  return UnitFlops(teacher_.config, t, budget_.sequence_length);
}

int64_t PruningState::rounding(int t) const {
  return teacher_.sublayers[t].kind == SublayerKind::kAttention ? plan_.rounding.heads
                                                                : plan_.rounding.neurons;
}

int64_t PruningState::largest_batch() const { return LargestOf(batches_); }

int64_t PruningState::largest_piece() { return LargestOf(pieces()); }

int PruningState::IndexOf(int t) const {
  return static_cast<int>(std::find(own_sublayers_.begin(), own_sublayers_.end(), t) -
                          own_sublayers_.begin());
}

SublayerPruned PruningState::RowOf(int t, const Selection& keep) const {
  const Sublayer& target = student_.sublayers[t];
  SublayerPruned row;
  row.index = IndexOf(t);
  row.total = static_cast<int>(own_sublayers_.size());
  row.layer = target.layer;
  row.layers = static_cast<int>(teacher_.config.PlacesOf(t).size());
  row.kind = target.kind;
  row.units = static_cast<int>(target.num_units());
  row.kept = static_cast<int>(keep.size());
  row.budget_left_flops = budget_left_ - static_cast<double>(keep.size()) * unit_flops(t);
  return row;
}

absl::Status PruningState::TakeBatchesFrom(const Checkpoint* checkpoint) {
  if (checkpoint == nullptr || checkpoint->size() == 0) return absl::OkStatus();
  absl::StatusOr<SublayerCheckpoint> first = checkpoint->Read(0);
  if (!first.ok()) return first.status();
  SetBatchTokens(first->batch_tokens);
  return absl::OkStatus();
}

void PruningState::StartOver(const FlopsBudget& budget) {
  budget_ = budget;
  budget_left_ = budget.budget_flops;
  decided_.clear();
  student_ = teacher_;
  result_ = {original_, {}, {}, 0, 0, {}};
}

absl::Status PruningState::Rewind(int t) {
  const std::vector<int64_t> batch_tokens = std::move(result_.batch_tokens);
  std::vector<SublayerPruned> rows = std::move(result_.sublayers);
  result_.batch_tokens.clear();
  result_.sublayers.clear();
  result_.kept_flops = 0;
  budget_left_ = budget_.budget_flops;
  decided_.clear();
  if (absl::Status status = Embed(); !status.ok()) return status;
  for (size_t k = 0; k < own_sublayers_.size(); ++k) {
    const int s = own_sublayers_[k];
    if (s >= t) {
      student_.Put(s, teacher_.sublayers[s]);
      result_.encoder.Put(s, original_.sublayers[s]);
      continue;
    }
    result_.batch_tokens.push_back(batch_tokens[k]);
    result_.kept_flops += static_cast<double>(rows[k].kept) * unit_flops(s);
    budget_left_ = rows[k].budget_left_flops;
    result_.sublayers.push_back(std::move(rows[k]));
    SetBatchTokens(batch_tokens[k]);
    if (absl::Status status = AdvancePast(s); !status.ok()) return status;
  }
  SetBatchTokens(batch_tokens[result_.sublayers.size()]);
  return absl::OkStatus();
}

absl::Status PruningState::Embed() {
  if (!streams_) {
    absl::StatusOr<Streams> streams =
        Streams::Create(teacher_, tokens(), plan_.streams, plan_.scratch_directory);
    if (!streams.ok()) return streams.status();
    streams_.emplace(*std::move(streams));
  }
  teacher_is_at_output_ = false;
  return ForEachBatch([&](const Batch& batch) { return streams_->Embed(batch); });
}

absl::Status PruningState::ForEachBatch(const std::function<absl::Status(const Batch&)>& step) const {
  for (const Batch& batch : batches_) {
    if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
    if (absl::Status status = step(batch); !status.ok()) return status;
  }
  return absl::OkStatus();
}

const std::vector<Batch>& PruningState::pieces() {
  if (workers() == 1) return batches_;
  if (pieces_.empty()) pieces_ = Cut(plan_.batch_tokens / workers(), workers());
  return pieces_;
}

absl::Status PruningState::ForEachPieceAtOnce(const WorkerStep& step) {
  return ForEachAtOnce(
      pieces(), order_.group_size != kAnyNumber, workers(), [this] { return observer_.cancelled(); }, step);
}

absl::Status PruningState::ForEachInput(int t, const PlaceStep& step) {
  if (IsShared(t)) return ForEachPlace(t, /*from_teacher=*/false, /*outputs=*/false, step);
  return ForEachBatch([&](const Batch& batch) -> absl::Status {
    absl::StatusOr<at::Tensor> x_Td = streams_->student(batch);
    if (!x_Td.ok()) return x_Td.status();
    absl::StatusOr<at::Tensor> y_Td = streams_->teacher(batch);
    return y_Td.ok() ? step(batch, {t, *x_Td, *y_Td}) : y_Td.status();
  });
}

absl::Status PruningState::ForEachOutput(int t, const PlaceStep& step, bool from_teacher) {
  if (IsShared(t)) return ForEachPlace(t, from_teacher, /*outputs=*/true, step);
  absl::Status status = ForEachBatch([&](const Batch& batch) -> absl::Status {
    absl::StatusOr<at::Tensor> y_Td =
        teacher_is_at_output_ ? streams_->teacher(batch) : streams_->AdvanceTeacherToOutput(t, batch);
    if (!y_Td.ok()) return y_Td.status();
    absl::StatusOr<at::Tensor> x_Td = streams_->student(batch);
    return x_Td.ok() ? step(batch, {t, *x_Td, *y_Td}) : x_Td.status();
  });
  teacher_is_at_output_ = true;
  return status;
}

// Up through all layers that share t, from where the streams stand and stay.
absl::Status PruningState::ForEachPlace(int t, bool from_teacher, bool outputs, const PlaceStep& step) {
  const int last = teacher_.config.PlacesOf(t).back();
  return ForEachBatch([&](const Batch& batch) -> absl::Status {
    absl::StatusOr<at::Tensor> x_Td = from_teacher ? streams_->teacher(batch) : streams_->student(batch);
    if (!x_Td.ok()) return x_Td.status();
    absl::StatusOr<at::Tensor> y_Td = streams_->teacher(batch);
    if (!y_Td.ok()) return y_Td.status();
    for (int s = StreamsAt(t); s <= last; ++s) {
      const bool is_place = s % 2 == t % 2;
      if (is_place && !outputs) {
        if (absl::Status status = step(batch, {s, *x_Td, *y_Td}); !status.ok()) return status;
      }
      const at::Tensor output_Td = teacher_.PreNorm(s, *y_Td, teacher_.Features(s, *y_Td, batch));
      if (is_place && outputs) {
        if (absl::Status status = step(batch, {s, *x_Td, output_Td}); !status.ok()) return status;
      }
      if (s == last) break;
      y_Td = teacher_.Norm(s, output_Td);
      x_Td = from_teacher ? *y_Td : student_.Forward(s, *x_Td, batch);
    }
    return absl::OkStatus();
  });
}

at::Tensor PruningState::Features(const Batch& batch, const PlaceStates& at) {
  if (IsShared(at.place)) return student_.Features(at.place, at.x_Td, batch);
  features_.resize(batches_.size());
  at::Tensor& kept = features_[&batch - batches_.data()];
  if (kept.defined()) return kept;
  const at::Tensor z_TU = student_.Features(at.place, at.x_Td, batch);
  const auto bytes = static_cast<int64_t>(z_TU.nbytes());
  if (feature_bytes_ + bytes <= KeptFeatureBytes(teacher_.config, plan_.compute_type, largest_batch())) {
    feature_bytes_ += bytes;
    kept = z_TU;
  }
  return z_TU;
}

std::vector<at::Tensor> PruningState::TakeFeatures() {
  feature_bytes_ = 0;
  return std::exchange(features_, {});
}

absl::Status PruningState::MeasureWithinMemory(const std::string& what,
                                               const std::function<absl::Status()>& measure) {
  while (true) {
    const int64_t largest = largest_batch();
    int64_t sequences = 0;
    for (const Batch& batch : batches_) sequences = std::max(sequences, batch.size());
    int64_t smaller = plan_.batch_tokens / 2;
    while (smaller >= largest && smaller > 1) smaller /= 2;
    try {
      absl::Status status = measure();
      malloc_trim(0);  // a tape's buffers: what comes next would take holes between them, and memory beside
      return status;
    } catch (const std::exception& error) {
      // Batches of one sequence each cannot be cut.
      if (!IsOutOfMemory(error) || sequences <= 1) throw;
    }
    observer_.OnWarning(OutOfMemoryWarning(what, plan_.batch_tokens, smaller));
    SetBatchTokens(smaller);
  }
}

absl::Status PruningState::SettleSublayers(
    Checkpoint* checkpoint, const EndsEarly& ends_early,
    const std::function<absl::StatusOr<PrunedSublayer>(int t)>& prune) {
  for (int k = 0; k < static_cast<int>(own_sublayers_.size()); ++k) {
    const int t = own_sublayers_[k];
    if (checkpoint != nullptr && k < checkpoint->size()) {
      absl::StatusOr<SublayerCheckpoint> record = checkpoint->Read(k);
      if (!record.ok()) return record.status();
      if (absl::Status status = Replay(t, *record); !status.ok()) return status;
    } else if (ends_early && ends_early()) {
      LeaveFrom(k);
      return absl::OkStatus();
    } else {
      if (absl::Status status = Settle(t, checkpoint, prune); !status.ok()) return status;
    }
    observer_.OnSublayer(result_.sublayers.back());
    // Every sublayer keeps a number of units of its own: the heap would fill with holes of all sizes.
    malloc_trim(0);
  }
  return absl::OkStatus();
}

absl::Status PruningState::Settle(int t, Checkpoint* checkpoint,
                                  const std::function<absl::StatusOr<PrunedSublayer>(int t)>& prune) {
  absl::StatusOr<PrunedSublayer> pruned = prune(t);
  if (!pruned.ok()) return pruned.status();
  result_.sublayers.back().tune_seconds = settling_.seconds();
  if (pruned->row.solver == "kept-weights") {
    observer_.OnWarning(
        absl::StrCat("sublayer ", t, ": no refit fits better than the original weights, which were kept"));
  }
  if (checkpoint == nullptr) return absl::OkStatus();
  return checkpoint->Append({result_.sublayers.back(), pruned->keep, OnDevice(pruned->in, at::kCPU),
                             OnDevice(pruned->out, at::kCPU), plan_.batch_tokens, pruned->next});
}

// The own sublayers from number k on keep all that they have.
void PruningState::LeaveFrom(int k) {
  for (; k < static_cast<int>(own_sublayers_.size()); ++k) {
    const int t = own_sublayers_[k];
    Selection all(student_.sublayers[t].num_units());
    std::iota(all.begin(), all.end(), 0);
    SublayerPruned row = RowOf(t, all);
    row.solver = "untouched";
    result_.kept_flops += static_cast<double>(row.kept) * unit_flops(t);
    budget_left_ = row.budget_left_flops;
    result_.sublayers.push_back(row);
    result_.batch_tokens.push_back(plan_.batch_tokens);
  }
  result_.ended_early = true;
}

// Only what the checkpoint does not hold is computed: the hidden states.
absl::Status PruningState::Replay(int t, const SublayerCheckpoint& record) {
  SetBatchTokens(record.batch_tokens);
  Keep(t, record.kept_positions);
  const PrunedSublayer pruned{record.kept_positions, OnDevice(record.in, device()),
                              OnDevice(record.out, device()), record.pruned, record.next_positions};
  if (pruned.in.weight.defined()) ReplaceInput(t, pruned.in);
  ++result_.resumed_sublayers;
  Record(t, pruned);
  return AdvancePast(t);
}

void PruningState::Keep(int t, const Selection& keep) {
  settling_ = Stopwatch();
  TakeFeatures();
  for (Encoder* encoder : {&student_, &result_.encoder}) encoder->Keep(t, keep);
  WarnOfOverfitting(t);
}

void PruningState::ReplaceInput(int t, const Linear& in) {
  TakeFeatures();
  for (Encoder* encoder : {&student_, &result_.encoder}) encoder->ReplaceInput(t, in);
}

void PruningState::ReplaceOutput(int t, const Linear& out) {
  for (Encoder* encoder : {&student_, &result_.encoder}) encoder->ReplaceOutput(t, out);
}

absl::StatusOr<Linear> PruningState::FitOutput(int t, const OutputFit& fit) {
  absl::StatusOr<Linear> out = fit(/*from_teacher=*/IsShared(t));
  for (int round = 0; out.ok() && IsShared(t) && round < kSharedRounds; ++round) {
    ReplaceOutput(t, *out);
    out = fit(/*from_teacher=*/false);
  }
  return out;
}

absl::Status PruningState::Finish(int t, const PrunedSublayer& pruned) {
  Record(t, pruned);
  return AdvancePast(t);
}

void PruningState::Record(int t, const PrunedSublayer& pruned) {
  ReplaceOutput(t, pruned.out);
  result_.kept_flops += static_cast<double>(pruned.row.kept) * unit_flops(t);
  budget_left_ = pruned.row.budget_left_flops;
  decided_ = pruned.next;
  result_.sublayers.push_back(pruned.row);
  result_.batch_tokens.push_back(plan_.batch_tokens);
}

// Both streams go through t, or through all layers that share it once the last of their two is settled.
absl::Status PruningState::AdvancePast(int t) {
  const bool teacher_is_at_output = std::exchange(teacher_is_at_output_, false);
  std::vector<at::Tensor> features = TakeFeatures();
  features.resize(batches_.size());
  const int last = teacher_.config.PlacesOf(t).back();
  const bool more_at_this_place = IsShared(t) && t % 2 == 0,
             nothing_above = last + 1 == teacher_.num_sublayers();
  if (more_at_this_place || nothing_above) return absl::OkStatus();
  return ForEachBatch([&](const Batch& batch) -> absl::Status {
    for (int s = StreamsAt(t); s <= last; ++s) {
      if (!teacher_is_at_output) {
        if (absl::Status status = streams_->AdvanceTeacherToOutput(s, batch).status(); !status.ok())
          return status;
      }
      const at::Tensor z_TU = std::exchange(features[&batch - batches_.data()], {});
      if (absl::Status status = streams_->Advance(student_, s, batch, z_TU); !status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

std::vector<Batch> PruningState::Cut(int64_t batch_tokens, int64_t multiple) const {
  return MakeBatches(samples_, order_.group_size, order_.batch_order, device(), batch_tokens, multiple);
}

void PruningState::SetBatchTokens(int64_t batch_tokens) {
  if (!batches_.empty() && batch_tokens == plan_.batch_tokens) return;
  plan_.batch_tokens = batch_tokens;
  TakeFeatures();
  batches_ = Cut(batch_tokens, 1);
  pieces_.clear();
}

void PruningState::WarnOfOverfitting(int t) {
  const int64_t kept_features = student_.sublayers[t].num_features();
  const auto rows = tokens() * static_cast<int64_t>(teacher_.config.PlacesOf(t).size());
  if (warned_of_overfitting_ || rows >= 2 * kept_features) return;
  warned_of_overfitting_ = true;
  observer_.OnWarning(
      absl::StrCat("the samples have ", rows, " tokens, but sublayer ", t, " keeps ", kept_features,
                   " features: with fewer than two tokens a feature the tuned weights overfit; "
                   "give more samples"));
}

}  // namespace kprune
