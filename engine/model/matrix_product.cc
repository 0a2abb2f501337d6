#include "engine/model/matrix_product.h"

#include <ATen/ATen.h>

#include <cstring>

#include "engine/kernels/kernels.h"

// LibTorch's own call of oneDNN, exported but without a public header; the version is pinned
// (cmake/FindLibTorch.cmake). result = beta * result + alpha * mat1 mat2.
namespace at::native {
void mkldnn_matmul(const Tensor& mat1, const Tensor& mat2, const Tensor& result, float beta, float alpha);
}

namespace kprune {
namespace {

bool UsesOneDnn(const at::Tensor& a) {
  // LibTorch refuses this call, for float32 too, where it would refuse bfloat16.
  static const bool accepted = std::strcmp(CpuKernels().instructions, "avx512") == 0;
  return accepted && a.is_cpu() && (a.scalar_type() == at::kFloat || a.scalar_type() == at::kBFloat16);
}

}  // namespace

void MatrixProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out) {
  const bool small = a.size(0) * a.size(1) * b.size(1) < 16 * 16 * 16;
  if (UsesOneDnn(a) && !small) {
    at::native::mkldnn_matmul(a, b, out, /*beta=*/0, /*alpha=*/1);
  } else {
    PlainMatrixProduct(a, b, out);
  }
}

void PlainMatrixProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out) {
  at::Tensor result = out;
  at::mm_out(result, a, b);
}

}  // namespace kprune
