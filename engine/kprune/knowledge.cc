#include "engine/kprune/knowledge.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/kprune/objective.h"
#include "engine/kprune/segment_dot.h"

namespace kprune {
namespace {

std::vector<double> ToVector(const at::Tensor& values) {
  const at::Tensor cpu = values.to(at::kCPU, at::kDouble).contiguous();
  return {cpu.const_data_ptr<double>(), cpu.const_data_ptr<double>() + cpu.numel()};
}

// Sums of products within each head: z_TU seen as [T, H, h] gives [H, h, h].
at::Tensor HeadGrams(const at::Tensor& z_TU, int64_t heads, int64_t head_dim) {
  const at::Tensor z_HTh = z_TU.view({z_TU.size(0), heads, head_dim}).transpose(0, 1);
  return z_HTh.transpose(1, 2).bmm(z_HTh);
}

}  // namespace

KnowledgeAccumulator::KnowledgeAccumulator(const Encoder& encoder, int first, const Options& options)
    : encoder_(encoder),
      first_(first),
      paper_code_(options.scoring == "paper-code"),
      kl_gradient_(options.predictive == "kl-gradient"),
      temperature_(options.temperature) {
  for (int s = first; s < encoder.num_sublayers(); ++s) {
    const Sublayer& sublayer = encoder.sublayers[s];
    const at::TensorOptions f64 = at::TensorOptions(at::kDouble).device(sublayer.in.weight.device());
    const int64_t units = sublayer.num_units(), width = sublayer.unit_width;
    sums_.push_back({at::zeros({paper_code_ ? units * width : units}, f64),
                     width == 1 ? at::zeros({units}, f64) : at::zeros({units, width, width}, f64)});
  }
}

at::Tensor KnowledgeAccumulator::Add(const Batch& batch, const at::Tensor& x_Td, const at::Tensor& teacher_NC,
                                     at::Generator& random) {
  // Forward, from the input of the target: the features are the points where masks would act.
  std::vector<at::Tensor> features, inputs;
  at::Tensor output_NC;
  {
    c10::AutoGradMode grad_mode(true);
    at::Tensor x = x_Td;
    for (int s = first_; s < encoder_.num_sublayers(); ++s) {
      at::Tensor z = encoder_.Features(s, x, batch);
      if (!z.requires_grad() && z.size(1) > 0) z.requires_grad_(true);
      features.push_back(z);
      if (z.size(1) > 0) inputs.push_back(z);
      x = encoder_.Norm(s, encoder_.PreNorm(s, x, z));
    }
    output_NC = encoder_.Output(x, batch);
  }
  samples_ += batch.size();
  tokens_ += batch.tokens();
  if (inputs.empty()) return features[0];

  std::vector<at::Tensor> scalars;
  {
    c10::AutoGradMode grad_mode(true);
    const Task task = encoder_.config.task;
    scalars = kl_gradient_
                  ? std::vector<at::Tensor>{DistillationLoss(task, output_NC, teacher_NC, temperature_)}
                  : FisherProbes(task, output_NC, temperature_, random);
  }
  for (size_t p = 0; p < scalars.size(); ++p) {
    const bool more = p + 1 < scalars.size();
    const std::vector<at::Tensor> gradients =
        torch::autograd::grad({scalars[p]}, inputs, /*grad_outputs=*/{}, /*retain_graph=*/more);
    size_t next = 0;
    for (size_t i = 0; i < features.size(); ++i) {
      if (features[i].size(1) > 0)
        AddPredictive(static_cast<int>(i), features[i].detach(), gradients[next++], batch);
    }
  }
  for (size_t i = 0; i < features.size(); ++i) AddRepresentational(static_cast<int>(i), features[i].detach());
  return features[0].detach();
}

void KnowledgeAccumulator::AddPredictive(int i, const at::Tensor& features_TU, const at::Tensor& gradient_TU,
                                         const Batch& batch) {
  const Sublayer& sublayer = encoder_.sublayers[first_ + i];
  at::Tensor mask_gradient = SegmentDot(features_TU, gradient_TU, batch).to(at::kDouble);  // [N, U]
  if (!paper_code_)
    mask_gradient = mask_gradient.view({batch.size(), sublayer.num_units(), sublayer.unit_width}).sum(2);
  // The paper's code squares the gradient of the batch's mean; the Fisher information squares every sample's.
  sums_[i].mask_gradient_squared +=
      kl_gradient_ ? mask_gradient.mean(0).square() : mask_gradient.square().sum(0);
}

void KnowledgeAccumulator::AddRepresentational(int i, const at::Tensor& features_TU) {
  const Sublayer& sublayer = encoder_.sublayers[first_ + i];
  if (sublayer.num_units() == 0) return;
  sums_[i].feature_gram += sublayer.unit_width == 1
                               ? features_TU.square().sum(0)
                               : HeadGrams(features_TU, sublayer.num_units(), sublayer.unit_width);
}

std::vector<UnitKnowledge> KnowledgeAccumulator::Result() const {
  std::vector<UnitKnowledge> result;
  for (size_t i = 0; i < sums_.size(); ++i) result.push_back(Finish(static_cast<int>(i)));
  return result;
}

UnitKnowledge KnowledgeAccumulator::Finish(int i) const {
  const Sublayer& sublayer = encoder_.sublayers[first_ + i];
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
