// Weighted least squares with a free constant: min over W, b of sum_i v_i || r_i - z_i W - b ||^2.
//
// Shapes: T rows of a piece, U columns, d targets. Sums and solutions are float64.
#ifndef KPRUNE_ENGINE_REFIT_AFFINE_FIT_H_
#define KPRUNE_ENGINE_REFIT_AFFINE_FIT_H_

#include <ATen/core/Tensor.h>

#include "engine/pruning/gram.h"
#include "engine/pruning/solve.h"

namespace kprune {

// How Gram matrices are summed to whose diagonal `added` times its mean will be added, in a run that computes
// in `compute_type`: from this share on the errors of faster products are far below what is added.
inline constexpr double kFasterProducts = 1e-3;
GramAccumulator::Products ProductsFor(double added, at::ScalarType compute_type);

struct AffineFit {
  at::Tensor weights_Ud;
  at::Tensor constant_d;
  // How it was found: path, condition number and || r - z W - b || over || r ||, of the problem without the
  // ridge. Path "empty" where there are no columns.
  Solution solution;
};

// Sums the equations over pieces. Not thread-safe.
class AffineEquations {
 public:
  // `ridge` times the mean of the diagonal of sum v z^T z will be added to that diagonal; the constant is
  // free.
  AffineEquations(int64_t columns, int64_t targets, double ridge, at::ScalarType compute_type,
                  at::Device device);

  // rows_TU, targets_Td: z and r of any floating type; weights_T: v, float64, or undefined for ones.
  void Add(const at::Tensor& rows_TU, const at::Tensor& targets_Td, const at::Tensor& weights_T);

  // `current_Ud` is kept where the sums have no solution (SolveLeastSquares).
  AffineFit Solve(const at::Tensor& current_Ud) const;

 private:
  const double ridge_;
  GramAccumulator sums_;     // of z and, behind the targets, of ones
  at::Tensor target_sum_d_;  // sum v r
  at::Tensor totals_;        // sum v, sum v |r|^2
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_REFIT_AFFINE_FIT_H_
