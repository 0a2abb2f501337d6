// Matrix products of a forward and backward pass.
//
// On a CPU with AVX-512 they are oneDNN's, in float32 as in bfloat16: at the shapes of encoders it is faster
// than what LibTorch takes for float32 by itself, by a tenth and more on processors by AMD. oneDNN compiles a
// kernel for every number of rows that it meets, so callers round rows up (RoundedRows) and leave what is in
// the rest unused.
#ifndef KPRUNE_ENGINE_MODEL_MATRIX_PRODUCT_H_
#define KPRUNE_ENGINE_MODEL_MATRIX_PRODUCT_H_

#include <ATen/core/Tensor.h>

namespace kprune {

// out [M, N] = a [M, K] b [K, N]. One type for all: float32 or bfloat16 (or float64, slowly); sums are
// float32. `a` and `b` may be transposed views; `out` has contiguous rows. Thread-safe.
void MatrixProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out);

// The same by LibTorch's own choice of library: what MatrixProduct does on other devices and processors.
void PlainMatrixProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out);

inline int64_t RoundedRows(int64_t rows) { return (rows + 63) / 64 * 64; }

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_MATRIX_PRODUCT_H_
