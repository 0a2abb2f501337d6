#include "engine/kprune/knowledge.h"

#include <ATen/ATen.h>

#include <utility>

#include "engine/model/output_rows.h"
#include "engine/pruning/head_gradients.h"
#include "engine/pruning/objective.h"

namespace kprune {
namespace {

std::vector<double> ToVector(const at::Tensor& values) {
  const at::Tensor cpu = values.to(at::kCPU, at::kDouble).contiguous();
  return {cpu.const_data_ptr<double>(), cpu.const_data_ptr<double>() + cpu.numel()};
}

}  // namespace

KnowledgeAccumulator::KnowledgeAccumulator(const Encoder& encoder, int first, std::vector<int> measured,
                                           const Options& options, int64_t max_tokens,
                                           std::vector<PassFactors> factors)
    : encoder_(encoder),
      first_(first),
      measured_(std::move(measured)),
      paper_code_(options.scoring == "paper-code"),
      kl_gradient_(options.predictive == "kl-gradient"),
      temperature_(options.temperature),
      tape_(encoder, first, max_tokens, std::move(factors)),
      sums_of_(encoder.num_sublayers() - first, -1) {
  for (const int s : measured_) {
    for (const int place : encoder.config.PlacesOf(s))
      sums_of_[place - first] = static_cast<int64_t>(sums_.size());
    const Sublayer& sublayer = encoder.sublayers[s];
    const at::TensorOptions f64 = at::TensorOptions(at::kDouble).device(sublayer.in.weight.device());
    const int64_t units = sublayer.num_units(), width = sublayer.unit_width;
    const at::Tensor masks = at::zeros({paper_code_ ? units * width : units}, f64);
    sums_.push_back({masks,
                     {},
                     masks.clone(),
                     width == 1 ? at::zeros({units}, f64) : at::zeros({units, width, width}, f64)});
  }
}

void KnowledgeAccumulator::Add(const Batch& batch, const at::Tensor& x_Td, const at::Tensor& teacher_NC,
                               at::Generator& random) {
  const at::Tensor x_Rd = tape_.Forward(batch, x_Td, /*squares=*/true);
  samples_ += batch.num_samples();
  tokens_ += batch.tokens();
  for (int s = first_; s < encoder_.num_sublayers(); ++s) AddRepresentational(s);
  const auto probes = [&](const at::Tensor& output_NC) {
    return Probes(batch, output_NC, teacher_NC, random);
  };
  ForEachHeadGradient(encoder_, x_Rd, batch, probes, [&](const at::Tensor& gradient_Rd) {
    tape_.Backward(gradient_Rd, {.masks = [&](int s, const at::Tensor& mask_gradient_NU) {
                     AddPredictive(s, mask_gradient_NU, batch);
                   }});
  });
}

std::vector<at::Tensor> KnowledgeAccumulator::Probes(const Batch& batch, const at::Tensor& output_NC,
                                                     const at::Tensor& teacher_NC,
                                                     at::Generator& random) const {
  const Task task = encoder_.config.task;
  const absl::Span<const int64_t> offsets = SoftmaxOffsets(task, batch);
  if (kl_gradient_) return {DistillationLoss(task, output_NC, teacher_NC, temperature_, offsets)};
  return FisherProbes(task, output_NC, temperature_, random, offsets);
}

void KnowledgeAccumulator::AddPredictive(int s, const at::Tensor& mask_gradient_NU, const Batch& batch) {
  const Sublayer& sublayer = encoder_.sublayers[s];
  Sums* const measured = SumsOf(s);
  if (measured == nullptr) return;
  Sums& sums = *measured;
  at::Tensor gradient = mask_gradient_NU;
  if (!paper_code_ && sublayer.unit_width > 1)
    gradient = gradient.view({batch.size(), sublayer.num_units(), sublayer.unit_width}).sum(2);
  // A mask is one for all places, which come from the top down, ...
  if (sums.mask_gradient.defined()) gradient = gradient + sums.mask_gradient;
  sums.mask_gradient = gradient;
  if (measured_[&sums - sums_.data()] != s) return;
  sums.mask_gradient = at::Tensor();
  // ... and for all choices of a sample.
  if (batch.sample_of_N.defined()) {
    gradient = at::zeros({batch.num_samples(), gradient.size(1)}, gradient.options())
                   .index_add_(0, batch.sample_of_N, gradient);
  }
  if (!kl_gradient_) {
    sums.mask_gradient_squared += ColumnSquares(gradient);
    return;
  }
  // The paper's code squares the gradient of the group's mean; the Fisher information squares every sample's.
  sums.group_gradient += gradient.sum(0, /*keepdim=*/false, at::kDouble);
  if (!batch.closes_group) return;
  sums.mask_gradient_squared += (sums.group_gradient / static_cast<double>(batch.group_size)).square();
  sums.group_gradient.zero_();
}

void KnowledgeAccumulator::AddRepresentational(int s) {
  const Sublayer& sublayer = encoder_.sublayers[s];
  Sums* const sums = SumsOf(s);
  if (sums == nullptr || sublayer.num_units() == 0) return;
  sums->feature_gram += sublayer.unit_width == 1 ? tape_.feature_squares(s)
                                                 : HeadGrams(tape_.features(s), sublayer.num_units());
}

void KnowledgeAccumulator::Add(const KnowledgeAccumulator& other) {
  samples_ += other.samples_;
  tokens_ += other.tokens_;
  for (size_t i = 0; i < sums_.size(); ++i) {
    sums_[i].mask_gradient_squared += other.sums_[i].mask_gradient_squared;
    sums_[i].feature_gram += other.sums_[i].feature_gram;
  }
}

KnowledgeAccumulator::Sums* KnowledgeAccumulator::SumsOf(int s) {
  const int64_t i = sums_of_[s - first_];
  return i < 0 ? nullptr : &sums_[i];
}

std::vector<UnitKnowledge> KnowledgeAccumulator::Result() const {
  std::vector<UnitKnowledge> result;
  for (size_t i = 0; i < sums_.size(); ++i) result.push_back(Finish(i));
  return result;
}

UnitKnowledge KnowledgeAccumulator::Finish(size_t i) const {
  const Sublayer& sublayer = encoder_.sublayers[measured_[i]];
  const int64_t units = sublayer.num_units(), width = sublayer.unit_width, d = sublayer.out.bias.size(0);
  if (units == 0) return {};
  const Sums& sums = sums_[i];
  const at::Tensor out_dU = sublayer.out.weight.to(at::kDouble);
  at::Tensor predictive = sums.mask_gradient_squared * (0.5 / static_cast<double>(samples_));
  at::Tensor representational;
  if (paper_code_) {
    const at::Tensor squares =
        width == 1 ? sums.feature_gram : sums.feature_gram.diagonal(0, 1, 2).reshape({units * width});
    representational = (squares * out_dU.square().mean(0)).view({units, width}).mean(1);
    predictive = predictive.view({units, width}).mean(1);
  } else if (width == 1) {
    representational = sums.feature_gram * out_dU.square().sum(0);
  } else {
    const at::Tensor out_Hdh = out_dU.view({d, units, width}).transpose(0, 1);
    representational = (sums.feature_gram * out_Hdh.transpose(1, 2).bmm(out_Hdh)).sum({1, 2});
  }
  return {ToVector(predictive), ToVector(representational / static_cast<double>(tokens_))};
}

}  // namespace kprune
