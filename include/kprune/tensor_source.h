// Where tensors come from: a safetensors file, a sharded checkpoint, or memory (tests).
#ifndef KPRUNE_TENSOR_SOURCE_H_
#define KPRUNE_TENSOR_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace kprune {

// The element types of safetensors that a checkpoint may use.
enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

// Bytes of one element.
constexpr int64_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
      return 2;
    default:
      return 1;
  }
}

// One tensor, row major, little endian. `bytes` is borrowed from the source, or from the caller of a writer.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  absl::Span<const std::byte> bytes;  // exactly product(shape) * SizeOf(dtype)
};

// Named tensors, checked when the source was opened: shapes agree with sizes, nothing overlaps. Thread-safe: immutable after
// construction. The views live as long as the source.
class TensorSource {
 public:
  virtual ~TensorSource() = default;

  // nullptr where there is no such tensor.
  virtual const TensorView* Find(std::string_view name) const = 0;

  // In the order of the file (of the shards).
  virtual const std::vector<TensorView>& tensors() const = 0;
};

}  // namespace kprune

#endif  // KPRUNE_TENSOR_SOURCE_H_
