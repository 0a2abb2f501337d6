// Matrix products of a forward and backward pass.
//
// On a CPU with AVX-512 they are kernels of ours (engine/kernels/product.h): a product packs its weights anew
// without being slowed down by it, takes any number of rows, and applies an activation while its sums are in
// registers; those of bfloat16 use matrix tiles (AMX) where the processor has them, and are oneDNN's on AVX-512
// without bfloat16. Other processors and devices take what LibTorch chooses.
#ifndef KPRUNE_ENGINE_MODEL_MATRIX_PRODUCT_H_
#define KPRUNE_ENGINE_MODEL_MATRIX_PRODUCT_H_

#include <ATen/core/Tensor.h>

#include <string>

namespace kprune {

// out [M, N] = a [M, K] b [K, N]. One type for all: float32 or bfloat16 (or float64, slowly); sums are
// float32. `b` may be a transposed view; the rows of `a` and `out` are contiguous. Thread-safe.
// Where oneDNN multiplies, rows of `out` up to a multiple of 64 are overwritten as far as its memory goes on.
void MatrixProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out);

// z = activation(x weight + bias) and, unless `derivative` is undefined, the activation's derivative there. x
// [T, d], weight [d, U] as in MatrixProduct, bias [U]; z and derivative [T, U].
void ActivatedProduct(const std::string& activation, const at::Tensor& x_Td, const at::Tensor& weight_dU,
                      const at::Tensor& bias_U, const at::Tensor& z_TU, const at::Tensor& derivative_TU);

// a b in float32 (of float64 factors in float64); of bfloat16 factors on a GPU, too, where the sums are never
// rounded to it.
at::Tensor SumsOfProducts(const at::Tensor& a, const at::Tensor& b);

// The same product by LibTorch's own choice of library, and by oneDNN; for float32 and bfloat16.
void PlainMatrixProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out);
void OneDnnMatrixProduct(const at::Tensor& a, const at::Tensor& b, const at::Tensor& out);

// Whether OneDnnMatrixProduct takes the type of `a` on this processor.
bool OneDnnAccepts(const at::Tensor& a);

// Rows up to a multiple of 64.
int64_t RoundedRows(int64_t rows);

// An uninitialised matrix whose memory goes on to a multiple of 64 rows, and zeros there: oneDNN compiles a
// kernel for every number of rows that it meets, and takes these instead.
at::Tensor EmptyWithRoom(int64_t rows, int64_t columns, const at::TensorOptions& options);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_MATRIX_PRODUCT_H_
