// Numbers of safetensors: elements, and tensors of labels.
#ifndef KPRUNE_ENGINE_DATA_LABEL_TENSOR_H_
#define KPRUNE_ENGINE_DATA_LABEL_TENSOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kprune/tensor_source.h"

namespace kprune {

// Whether it is I32 or I64.
bool IsWhole(DType dtype);

// One element, by its place in row-major order: of I32, I64, U8 and BOOL; and of these, F32 and F64.
int64_t WholeNumberAt(const TensorView& tensor, int64_t index);
double NumberAt(const TensorView& tensor, int64_t index);

// "labels is F16 [4, 2], accepted is ACCEPTED", INVALID_ARGUMENT.
absl::Status RefuseTensor(const TensorView& tensor, const std::string& accepted);

// Labels of whole lines: [lines] or [lines, some] of I32, I64, F32 or F64.
absl::Status CheckLabelTensor(const TensorView& labels, int64_t lines);
std::vector<double> LabelsOfLine(const TensorView& labels, int64_t line);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_LABEL_TENSOR_H_
