// The gradient of a unit mask, per sequence: sum over a sequence's tokens of z * dLoss/dz.
#ifndef KPRUNE_ENGINE_KPRUNE_SEGMENT_DOT_H_
#define KPRUNE_ENGINE_KPRUNE_SEGMENT_DOT_H_

#include <ATen/core/Tensor.h>

#include "engine/model/batch.h"

namespace kprune {

// features_TU * gradient_TU summed over the tokens of each sequence: [N, U] float32. Deterministic on every
// device; no temporary of size [T, U] on the CPU.
at::Tensor SegmentDot(const at::Tensor& features_TU, const at::Tensor& gradient_TU, const Batch& batch);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KPRUNE_SEGMENT_DOT_H_
