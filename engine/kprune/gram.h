// Z^T Z over many batches, in float64.
#ifndef KPRUNE_ENGINE_KPRUNE_GRAM_H_
#define KPRUNE_ENGINE_KPRUNE_GRAM_H_

#include <ATen/core/Tensor.h>

namespace kprune {

// Rows of float32 whose products are summed in float32.
inline constexpr int64_t kBlockRows = 256;

// Sums the Gram matrix of rows that arrive in pieces. Only the blocks on and below the diagonal are computed
// (a symmetric rank-k update by blocks of columns); Matrix() mirrors them. Not thread-safe.
//
// float64 rows are multiplied in float64. float32 rows, for features that were rounded to 16 bits before
// (products of such are exact in float32), are multiplied in float32, kBlockRows at a time, and summed in
// float64: twice as fast.
class GramAccumulator {
 public:
  GramAccumulator(int64_t columns, at::Device device);

  // rows_TU: [T, columns] float64 or float32.
  void Add(const at::Tensor& rows_TU);

  // [columns, columns] float64, symmetric.
  at::Tensor Matrix() const;

 private:
  static constexpr int64_t kBlock = 256;

  at::Tensor lower_UU_;  // blocks above the diagonal stay zero
};

// sums [K, d] += z [T, K]^T r [T, d] by the same rule; sums are float64, z and r of one type.
void AddProduct(const at::Tensor& z_TK, const at::Tensor& r_Td, const at::Tensor& sums_Kd);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KPRUNE_GRAM_H_
