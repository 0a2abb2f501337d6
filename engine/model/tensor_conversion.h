// Between the bytes of a checkpoint and ATen tensors.
#ifndef KPRUNE_ENGINE_MODEL_TENSOR_CONVERSION_H_
#define KPRUNE_ENGINE_MODEL_TENSOR_CONVERSION_H_

#include <ATen/core/Tensor.h>

#include "kprune/tensor_source.h"

namespace kprune {

// Copies a tensor of type F32, F16 or BF16 to a float32 tensor on the CPU; exact.
at::Tensor ToFloatTensor(const TensorView& view);

// Converts to `dtype` (F32, F16 or BF16), a contiguous CPU tensor. Values beyond the type's range become its
// largest finite values, never infinity.
at::Tensor ToCheckpointTensor(const at::Tensor& tensor, DType dtype);

// The bytes of a contiguous CPU tensor, borrowed.
TensorView ViewOf(std::string name, DType dtype, const at::Tensor& tensor);

// `value` as a model that was written in `type` computes with it once it is loaded: rounded to `type`,
// float32 and contiguous on value's device. What stands above is then fitted against what a user loads.
at::Tensor RoundedToCheckpoint(const at::Tensor& value, DType type);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_TENSOR_CONVERSION_H_
