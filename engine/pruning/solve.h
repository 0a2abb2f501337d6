// Least squares from normal equations that may be singular: the solve ladder.
//
// Shapes: U unknowns, d right-hand sides. Everything is float64.
#ifndef KPRUNE_ENGINE_PRUNING_SOLVE_H_
#define KPRUNE_ENGINE_PRUNING_SOLVE_H_

#include <ATen/core/Tensor.h>

#include <string>

namespace kprune {

// Sums over all tokens that say everything about min_W || R - Z W ||_F^2.
struct NormalEquations {
  at::Tensor gram_UU;         // Z^T Z
  at::Tensor cross_Ud;        // Z^T R
  double target_squared = 0;  // ||R||_F^2

  // The problem of some columns of Z only: features are int64 positions.
  NormalEquations Restrict(const at::Tensor& features) const;

  // || R - Z W ||_F / || R ||_F for weights [U, d]; 0 where R is zero and W fits it.
  double RelativeError(const at::Tensor& weights_Ud) const;
};

struct Solution {
  at::Tensor weights_Ud;
  std::string path;  // "cholesky", "ridge", "eigen" or "kept-weights"
  double condition =
      0;  // estimate of the condition number of the scaled Gram matrix; infinity when it is singular
  double relative_error = 0;
};

// Scales the columns to length 1 (columns of zeros get zero weights) and takes the first step of this ladder
// whose answer is finite and, after the first step, fits no worse than `current_Ud`:
//   cholesky      when the condition number is at most kMaxCondition: the minimum, up to rounding
//   ridge         Cholesky with kRidge on the scaled diagonal
//   eigen         pseudo-inverse, eigenvalues below U eps times the largest dropped
//   kept-weights  `current_Ud` itself: also where the sums are not finite
Solution SolveLeastSquares(const NormalEquations& equations, const at::Tensor& current_Ud);

inline constexpr double kMaxCondition = 1e12;
inline constexpr double kRidge = 1e-11;

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_SOLVE_H_
