// AdamW (Loshchilov, Hutter: "Decoupled Weight Decay Regularization", ICLR 2019) over a list of tensors.
#ifndef KPRUNE_ENGINE_DISTILLATION_ADAMW_H_
#define KPRUNE_ENGINE_DISTILLATION_ADAMW_H_

#include <ATen/core/Tensor.h>

#include <vector>

namespace kprune {

// Not thread-safe.
class AdamW {
 public:
  // Updates `weights` in place: float32 leaves, all on one device.
  AdamW(std::vector<at::Tensor> weights, double weight_decay);

  // One step down the gradients, one for each weight, after their norm together has been clipped at
  // `most_norm`.
  void Step(std::vector<at::Tensor> gradients, double learning_rate, double most_norm);

 private:
  const std::vector<at::Tensor> weights_;
  const double weight_decay_;
  std::vector<at::Tensor> means_, squares_;  // of the gradients, exponential
  std::vector<at::Tensor> steps_;            // float32 scalars
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DISTILLATION_ADAMW_H_
