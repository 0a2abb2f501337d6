#include "engine/distillation/differentiable.h"

#include <ATen/ATen.h>

#include "engine/model/portable_steps.h"

namespace kprune {

at::Tensor DifferentiableForward(const Encoder& encoder, int t, const at::Tensor& x_Td, const Batch& batch) {
  const Sublayer& sublayer = encoder.sublayers[t];
  at::Tensor y_Td = x_Td + sublayer.out.bias;
  if (sublayer.num_units() > 0) {
    const at::Tensor h = sublayer.in(x_Td);
    const at::Tensor z_TU = sublayer.kind == SublayerKind::kAttention
                                ? portable::PaddedAttention(h, sublayer.num_units(), batch)
                                : portable::Activated(encoder.config.activation, h);
    y_Td = y_Td + z_TU.matmul(sublayer.out.weight.t());
  }
  return sublayer.norm(y_Td);
}

}  // namespace kprune
