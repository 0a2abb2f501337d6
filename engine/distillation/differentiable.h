// An encoder's forward pass for autograd: the mathematics of Encoder::Forward as compositions of ATen.
#ifndef KPRUNE_ENGINE_DISTILLATION_DIFFERENTIABLE_H_
#define KPRUNE_ENGINE_DISTILLATION_DIFFERENTIABLE_H_

#include <ATen/core/Tensor.h>

#include "engine/model/batch.h"
#include "engine/model/encoder.h"

namespace kprune {

// Features of sublayer t [T, U] of the hidden states in front of it, and
at::Tensor DifferentiableFeatures(const Encoder& encoder, int t, const at::Tensor& x_Td, const Batch& batch);

// hidden states behind sublayer t, [T, d], of those in front of it; float32, padded in attention.
// Differentiable in x_Td and in the weights of the sublayer.
at::Tensor DifferentiableForward(const Encoder& encoder, int t, const at::Tensor& x_Td, const Batch& batch);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DISTILLATION_DIFFERENTIABLE_H_
