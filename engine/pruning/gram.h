// Z^T V Z and Z^T V R over many batches, summed in float64, with V a weight for every row.
#ifndef KPRUNE_ENGINE_PRUNING_GRAM_H_
#define KPRUNE_ENGINE_PRUNING_GRAM_H_

#include <ATen/core/Tensor.h>

namespace kprune {

template <typename S>
struct GramKernels;

// Sums the Gram matrix of rows that arrive in pieces, and their products with targets. Only what is on and
// below the diagonal is computed (a symmetric rank-k update); Matrix() mirrors it. Sums do not depend on the
// number of threads. Not thread-safe.
//
// Shapes: T rows of a piece, U columns, d targets.
class GramAccumulator {
 public:
  // Products are float64; or float32, with sums of at most 256 rows in float32: twice as fast, with relative
  // errors of some 1e-6; or, on a GPU and on a CPU that multiplies bfloat16 (elsewhere as float32), of rows
  // and targets that are rounded to it, with the same sums: twice as fast again, far more on a GPU, with
  // errors of some 1e-3 in each product and far smaller ones in long sums. On a GPU a float32 sum is of a
  // whole piece. The faster ones are for sums to whose diagonal more is added.
  enum class Products { kDouble, kSingle, kBFloat16 };

  GramAccumulator(int64_t columns, int64_t targets, at::Device device, Products products = Products::kDouble);

  // rows_TU, targets_Td: float32, bfloat16 or float64. weights_T: float64, not negative; undefined: all
  // are 1.
  void Add(const at::Tensor& rows_TU, const at::Tensor& targets_Td, const at::Tensor& weights_T = {});

  // [U, U] float64, symmetric.
  at::Tensor Matrix() const;

  // Z^T V R, [U, d] float64; a view.
  const at::Tensor& Cross() const { return cross_Ud_; }

 private:
  template <typename S>
  void AddByKernels(const GramKernels<S>& kernels, const at::Tensor& rows_TU, const at::Tensor& targets_Td,
                    const at::Tensor& scale_T);

  const Products products_;

  at::Tensor lower_UU_;  // above the diagonal: of no meaning
  at::Tensor cross_Ud_;
  at::Tensor packed_;  // some rows of Z and R in panels of columns
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_GRAM_H_
