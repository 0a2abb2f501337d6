#include "engine/distillation/differentiable.h"

#include <ATen/ATen.h>

#include "engine/model/portable_steps.h"

namespace kprune {

at::Tensor DifferentiableFeatures(const Encoder& encoder, int t, const at::Tensor& x_Td, const Batch& batch) {
  const Sublayer& sublayer = encoder.sublayers[t];
  if (sublayer.num_units() == 0) return at::empty({x_Td.size(0), 0}, x_Td.options());
  const at::Tensor h = sublayer.in(encoder.Input(t, x_Td));
  if (sublayer.kind == SublayerKind::kAttention)
    return portable::PaddedAttention(h, sublayer.num_units(), batch, sublayer.attention());
  if (!sublayer.gated) return portable::Activated(encoder.config.activation, h);
  const std::vector<at::Tensor> blocks = h.chunk(2, 1);
  return portable::Activated(encoder.config.activation, blocks[0]) * blocks[1];
}

at::Tensor DifferentiableForward(const Encoder& encoder, int t, const at::Tensor& x_Td, const Batch& batch) {
  const Linear& out = encoder.sublayers[t].out;
  const at::Tensor z_TU = DifferentiableFeatures(encoder, t, x_Td, batch);
  at::Tensor y_Td = x_Td + out.bias;
  if (z_TU.size(1) > 0) y_Td = y_Td + z_TU.matmul(out.weight.t());
  return encoder.sublayers[t].norm_first ? y_Td : encoder.sublayers[t].norm(y_Td);
}

}  // namespace kprune
