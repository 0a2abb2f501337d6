#include "engine/kprune/gram.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace kprune {

GramAccumulator::GramAccumulator(int64_t columns, at::Device device)
    : lower_UU_(at::zeros({columns, columns}, at::TensorOptions(at::kDouble).device(device))) {}

void GramAccumulator::Add(const at::Tensor& rows_TU) {
  const int64_t columns = lower_UU_.size(0);
  for (int64_t begin = 0; begin < columns; begin += kBlock) {
    const int64_t width = std::min(kBlock, columns - begin);
    at::Tensor block = lower_UU_.narrow(0, begin, width).narrow(1, 0, begin + width);
    block.addmm_(rows_TU.narrow(1, begin, width).t(), rows_TU.narrow(1, 0, begin + width));
  }
}

at::Tensor GramAccumulator::Matrix() const {
  const at::Tensor strictly_lower = lower_UU_.tril(-1);
  return strictly_lower + strictly_lower.t() + lower_UU_.diagonal().diag();
}

}  // namespace kprune
