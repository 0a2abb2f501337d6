#include "engine/data/label_tensor.h"

#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formats/safetensors.h"

namespace kprune {
namespace {

template <typename Element>
Element ElementAt(const TensorView& tensor, int64_t index) {
  Element element;  // the bytes may be unaligned
  std::memcpy(&element, tensor.bytes.data() + index * static_cast<int64_t>(sizeof(Element)), sizeof(Element));
  return element;
}

}  // namespace

bool IsWhole(DType dtype) { return dtype == DType::kI32 || dtype == DType::kI64; }

int64_t WholeNumberAt(const TensorView& tensor, int64_t index) {
  switch (tensor.dtype) {
    case DType::kI64:
      return ElementAt<int64_t>(tensor, index);
    case DType::kI32:
      return ElementAt<int32_t>(tensor, index);
    default:  // U8 and BOOL
      return ElementAt<uint8_t>(tensor, index);
  }
}

double NumberAt(const TensorView& tensor, int64_t index) {
  if (tensor.dtype == DType::kF64) return ElementAt<double>(tensor, index);
  if (tensor.dtype == DType::kF32) return ElementAt<float>(tensor, index);
  return static_cast<double>(WholeNumberAt(tensor, index));
}

absl::Status RefuseTensor(const TensorView& tensor, const std::string& accepted) {
  return absl::InvalidArgumentError(absl::StrCat(tensor.name, " is ", std::string(DTypeName(tensor.dtype)),
                                                 " [", absl::StrJoin(tensor.shape, ", "), "], accepted is ",
                                                 accepted));
}

absl::Status CheckLabelTensor(const TensorView& labels, int64_t lines) {
  const bool real = labels.dtype == DType::kF32 || labels.dtype == DType::kF64;
  const size_t rank = labels.shape.size();
  const bool shaped = (rank == 1 || (rank == 2 && labels.shape[1] > 0)) && labels.shape[0] == lines;
  if (shaped && (real || IsWhole(labels.dtype))) return absl::OkStatus();
  return RefuseTensor(labels, absl::StrCat("I32, I64, F32 or F64 [", lines, "] or [", lines, ", labels]"));
}

std::vector<double> LabelsOfLine(const TensorView& labels, int64_t line) {
  const int64_t width = labels.shape.size() == 2 ? labels.shape[1] : 1;
  std::vector<double> values;
  for (int64_t at = 0; at < width; ++at) values.push_back(NumberAt(labels, line * width + at));
  return values;
}

}  // namespace kprune
