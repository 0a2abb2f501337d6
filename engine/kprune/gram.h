// Z^T Z over many batches, in float64.
#ifndef KPRUNE_ENGINE_KPRUNE_GRAM_H_
#define KPRUNE_ENGINE_KPRUNE_GRAM_H_

#include <ATen/core/Tensor.h>

namespace kprune {

// Sums the Gram matrix of rows that arrive in pieces. Only the blocks on and below the diagonal are computed
// (a symmetric rank-k update by blocks of columns); Matrix() mirrors them. Not thread-safe.
class GramAccumulator {
 public:
  GramAccumulator(int64_t columns, at::Device device);

  // rows_TU: [T, columns] float64.
  void Add(const at::Tensor& rows_TU);

  // [columns, columns] float64, symmetric.
  at::Tensor Matrix() const;

 private:
  static constexpr int64_t kBlock = 256;

  at::Tensor lower_UU_;  // blocks above the diagonal stay zero
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KPRUNE_GRAM_H_
