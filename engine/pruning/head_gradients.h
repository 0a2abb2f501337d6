// The start of a backward pass: gradients of scalars of the model's output at the rows that its head reads.
#ifndef KPRUNE_ENGINE_PRUNING_HEAD_GRADIENTS_H_
#define KPRUNE_ENGINE_PRUNING_HEAD_GRADIENTS_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "engine/model/batch.h"
#include "engine/model/encoder.h"

namespace kprune {

// Runs the head on x_Rd, the rows that it reads (Encoder::Head), and calls visit(gradient_Rd) for each of the
// scalars that `probes` makes of its output [N, C]. The head is small: autograd differentiates it, and only
// it.
void ForEachHeadGradient(const Encoder& encoder, const at::Tensor& x_Rd, const Batch& batch,
                         const std::function<std::vector<at::Tensor>(const at::Tensor& output_NC)>& probes,
                         const std::function<void(const at::Tensor& gradient_Rd)>& visit);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_HEAD_GRADIENTS_H_
