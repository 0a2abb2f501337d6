#include "engine/refit/token_weights.h"

#include <ATen/ATen.h>

namespace kprune {

absl::StatusOr<TokenWeights> TokenWeights::Create(int64_t tokens, int num_sublayers, double share,
                                                  at::Device device, const ExecutionPlan& plan) {
  TokenWeights weights;
  weights.share_ = share;
  if (share == 0) return weights;
  auto fisher = HiddenStates::Create(tokens, num_sublayers, device, plan.streams, plan.scratch_directory);
  if (!fisher.ok()) return fisher.status();
  weights.fisher_ = *std::move(fisher);
  weights.sums_ = at::zeros({num_sublayers}, at::TensorOptions(at::kDouble).device(device));
  return weights;
}

absl::Status TokenWeights::Set(const Batch& batch, const at::Tensor& fisher_TS) {
  if (share_ == 0) return absl::OkStatus();
  measured_.insert(batch.begin);
  measured_tokens_ += batch.tokens();
  sums_ += fisher_TS.sum(0, /*keepdim=*/false, at::kDouble);
  return fisher_->Write(batch.begin, fisher_TS);
}

absl::StatusOr<at::Tensor> TokenWeights::Of(int s, absl::Span<const int> places, const Batch& batch) const {
  if (share_ == 0 || !measured_.contains(batch.begin)) return at::Tensor();
  absl::StatusOr<at::Tensor> fisher_TS = fisher_->Read(batch.begin, batch.end());
  if (!fisher_TS.ok()) return fisher_TS.status();
  // Where no token has any, all count the same.
  at::Tensor sum = at::zeros_like(sums_[s]);
  for (const int place : places) sum += sums_[place];
  const at::Tensor mean = sum / static_cast<double>(measured_tokens_ * static_cast<int64_t>(places.size()));
  const at::Tensor fisher_T = fisher_TS->select(1, s).to(at::kDouble);
  const at::Tensor relative = at::where(mean > 0, fisher_T / mean, at::ones_like(fisher_T));
  return relative * share_ + (1 - share_);
}

}  // namespace kprune
