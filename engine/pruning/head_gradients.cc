#include "engine/pruning/head_gradients.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

namespace kprune {

void ForEachHeadGradient(const Encoder& encoder, const at::Tensor& x_Rd, const Batch& batch,
                         const std::function<std::vector<at::Tensor>(const at::Tensor& output_NC)>& probes,
                         const std::function<void(const at::Tensor& gradient_Rd)>& visit) {
  const at::Tensor leaf_Rd = x_Rd.detach().clone().requires_grad_(true);
  std::vector<at::Tensor> scalars;
  {
    c10::AutoGradMode grad_mode(true);
    scalars = probes(encoder.Head(leaf_Rd, batch));
  }
  for (size_t p = 0; p < scalars.size(); ++p) {
    const bool more = p + 1 < scalars.size();
    visit(torch::autograd::grad({scalars[p]}, {leaf_Rd}, /*grad_outputs=*/{}, /*retain_graph=*/more)[0]);
  }
}

}  // namespace kprune
