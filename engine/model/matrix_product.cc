#include "engine/model/matrix_product.h"

#include <ATen/ATen.h>

// LibTorch's own call of oneDNN, exported but without a public header; the version is pinned
// (cmake/FindLibTorch.cmake). result = beta * result + alpha * mat1 mat2.
namespace at::native {
void mkldnn_matmul(const Tensor& mat1, const Tensor& mat2, const Tensor& result, float beta, float alpha);
}

namespace kprune {

void MatrixProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out) {
  const bool small = a.size(0) * a.size(1) * b.size(1) < 16 * 16 * 16;
  if (a.is_cpu() && !small && a.scalar_type() != at::kDouble) {
    at::native::mkldnn_matmul(a, b, out, /*beta=*/0, /*alpha=*/1);
  } else {
    at::Tensor result = out;
    at::mm_out(result, a, b);
  }
}

}  // namespace kprune
