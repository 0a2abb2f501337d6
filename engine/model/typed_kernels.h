// The kernels for a tensor's elements.
#ifndef KPRUNE_ENGINE_MODEL_TYPED_KERNELS_H_
#define KPRUNE_ENGINE_MODEL_TYPED_KERNELS_H_

#include <ATen/core/Tensor.h>

#include "engine/kernels/kernels.h"

namespace kprune {

// Of float32 or bfloat16 on a CPU.
inline const TypedKernels& KernelsOf(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 ? CpuKernels().bfloat16 : CpuKernels().float32;
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_TYPED_KERNELS_H_
