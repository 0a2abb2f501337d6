#include "engine/distillation/adamw.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace kprune {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.98, kEpsilon = 1e-8;

}  // namespace

AdamW::AdamW(std::vector<at::Tensor> weights, double weight_decay)
    : weights_(std::move(weights)), weight_decay_(weight_decay) {
  for (const at::Tensor& weight : weights_) {
    means_.push_back(at::zeros_like(weight));
    squares_.push_back(at::zeros_like(weight));
    steps_.push_back(at::zeros({}, weight.options().requires_grad(false)));
  }
}

void AdamW::Step(std::vector<at::Tensor> gradients, double learning_rate, double most_norm) {
  const c10::NoGradGuard no_grad;
  std::vector<at::Tensor> norms;
  for (const at::Tensor& gradient : gradients) norms.push_back(gradient.norm());
  // Stays on the device: nothing waits for it.
  const at::Tensor scale = (most_norm / (at::stack(norms).norm() + 1e-6)).clamp_max(1);
  for (size_t i = 0; i < gradients.size(); ++i) {
    gradients[i] = gradients[i].contiguous().mul_(scale);
    steps_[i].add_(1);
  }
  at::_fused_adamw_(weights_, gradients, means_, squares_, /*max_exp_avg_sqs=*/{}, steps_, learning_rate,
                    kBeta1, kBeta2, weight_decay_, kEpsilon, /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace kprune
