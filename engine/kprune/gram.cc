#include "engine/kprune/gram.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "engine/model/matrix_product.h"

namespace kprune {

void AddProduct(const at::Tensor& z_TK, const at::Tensor& r_Td, const at::Tensor& sums_Kd) {
  if (z_TK.scalar_type() == at::kDouble) {
    at::Tensor sums = sums_Kd;
    sums.addmm_(z_TK.t(), r_Td);
    return;
  }
  const at::Tensor block = at::empty(sums_Kd.sizes(), z_TK.options());
  for (int64_t begin = 0; begin < z_TK.size(0); begin += kBlockRows) {
    const int64_t rows = std::min(kBlockRows, z_TK.size(0) - begin);
    MatrixProduct(z_TK.narrow(0, begin, rows).t(), r_Td.narrow(0, begin, rows), block);
    sums_Kd.add_(block);
  }
}

GramAccumulator::GramAccumulator(int64_t columns, at::Device device)
    : lower_UU_(at::zeros({columns, columns}, at::TensorOptions(at::kDouble).device(device))) {}

void GramAccumulator::Add(const at::Tensor& rows_TU) {
  const int64_t columns = lower_UU_.size(0);
  for (int64_t begin = 0; begin < columns; begin += kBlock) {
    const int64_t width = std::min(kBlock, columns - begin);
    AddProduct(rows_TU.narrow(1, begin, width), rows_TU.narrow(1, 0, begin + width),
               lower_UU_.narrow(0, begin, width).narrow(1, 0, begin + width));
  }
}

at::Tensor GramAccumulator::Matrix() const {
  const at::Tensor strictly_lower = lower_UU_.tril(-1);
  return strictly_lower + strictly_lower.t() + lower_UU_.diagonal().diag();
}

}  // namespace kprune
