// Matrix products of a forward and backward pass.
//
// On a CPU those of bfloat16, and with AVX-512 those of float32, are kernels of ours
// (engine/kernels/product.h): a product of many rows packs its weights anew without being slowed down by it,
// takes any number of rows, and applies an activation while its sums are in registers. bfloat16 is multiplied
// by matrix tiles (AMX) or in pairs where that is fast, else as float32. Other types and devices take what
// LibTorch chooses.
#ifndef KPRUNE_ENGINE_MODEL_MATRIX_PRODUCT_H_
#define KPRUNE_ENGINE_MODEL_MATRIX_PRODUCT_H_

#include <ATen/core/Tensor.h>

#include <string>

namespace kprune {

// What products multiply by: a matrix [K, N], which may be a transposed view.
struct Factor {
  Factor(const at::Tensor& b) : matrix(b) {}  // NOLINT(runtime/explicit): packed in every product
  // Packed once, where kernels of ours multiply: for many products of few rows, from several threads. Takes
  // the memory of the matrix again.
  static Factor Packed(const at::Tensor& b);

  at::Tensor matrix;
  at::Tensor panels;  // or undefined
};

// out [M, N] = a [M, K] b. One type for all: float32 or bfloat16 (or float64, slowly); sums are float32. The
// rows of `a` and `out` are contiguous. Thread-safe.
void MatrixProduct(const at::Tensor& a, const Factor& b, const at::Tensor& out);

// z = activation(x weight + bias) and, unless `derivative` is undefined, the activation's derivative there. x
// [T, d], weight [d, U] as in MatrixProduct, bias [U]; z and derivative [T, U]. Unless it is undefined,
// `squares` [U], float32, is the sum of z^2 over the rows.
void ActivatedProduct(const std::string& activation, const at::Tensor& x_Td, const Factor& weight_dU,
                      const at::Tensor& bias_U, const at::Tensor& z_TU, const at::Tensor& derivative_TU,
                      const at::Tensor& squares_U = {});

// a b in float32 (of float64 factors in float64); of bfloat16 factors on a GPU, too, where the sums are never
// rounded to it.
at::Tensor SumsOfProducts(const at::Tensor& a, const at::Tensor& b);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_MATRIX_PRODUCT_H_
