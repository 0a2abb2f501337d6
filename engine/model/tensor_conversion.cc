#include "engine/model/tensor_conversion.h"

#include <ATen/ATen.h>

#include <cstring>
#include <limits>

namespace kprune {
namespace {

at::ScalarType ScalarTypeOf(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return at::kHalf;
    case DType::kBF16:
      return at::kBFloat16;
    default:
      return at::kFloat;
  }
}

double LargestOf(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return std::numeric_limits<at::Half>::max();
    case DType::kBF16:
      return std::numeric_limits<at::BFloat16>::max();
    default:
      return std::numeric_limits<float>::max();
  }
}

}  // namespace

at::Tensor ToFloatTensor(const TensorView& view) {
  at::Tensor raw = at::empty(view.shape, at::TensorOptions(ScalarTypeOf(view.dtype)));
  if (!view.bytes.empty()) std::memcpy(raw.data_ptr(), view.bytes.data(), view.bytes.size());
  return raw.to(at::kFloat);
}

at::Tensor ToCheckpointTensor(const at::Tensor& tensor, DType dtype) {
  const double largest = LargestOf(dtype);
  return tensor.detach().cpu().clamp(-largest, largest).to(ScalarTypeOf(dtype)).contiguous();
}

TensorView ViewOf(std::string name, DType dtype, const at::Tensor& tensor) {
  return {std::move(name), dtype, tensor.sizes().vec(),
          absl::MakeConstSpan(static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes())};
}

at::Tensor RoundedToCheckpoint(const at::Tensor& value, DType type) {
  return ToCheckpointTensor(value, type).to(value.device(), at::kFloat).contiguous();
}

}  // namespace kprune
