#include "engine/pruning/solve.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>

namespace kprune {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Whether every number is finite; one that is not makes the sum so, too.
bool IsFinite(const at::Tensor& x) { return std::isfinite(x.sum().item<double>()); }

std::optional<at::Tensor> Cholesky(const at::Tensor& matrix) {
  auto [factor, info] = at::linalg_cholesky_ex(matrix);
  if (info.item<int>() != 0 || !IsFinite(factor)) return std::nullopt;
  return factor;
}

// The largest eigenvalue of a positive definite operator by power iteration, a lower bound that is seldom far
// off.
template <typename Apply>
double LargestEigenvalue(const at::TensorOptions& options, int64_t n, const Apply& apply) {
  constexpr int kMostSteps = 12;
  // A fixed start with a part in every direction.
  at::Tensor x = at::arange(1, n + 1, options).mul(0.7).cos().unsqueeze(1) + 1.5;
  double value = 0;
  for (int i = 0; i < kMostSteps; ++i) {
    x = apply(x / x.norm());
    const double previous = std::exchange(value, x.norm().item<double>());
    if (value < 1.05 * previous) break;
  }
  return value;
}

// Largest over smallest eigenvalue of matrix = factor factor^T.
double EstimateCondition(const at::Tensor& matrix, const at::Tensor& factor) {
  const int64_t n = matrix.size(0);
  const at::Tensor transposed = factor.t();
  const auto times_inverse = [&](const at::Tensor& x) {
    return at::linalg_solve_triangular(transposed, at::linalg_solve_triangular(factor, x, /*upper=*/false),
                                       /*upper=*/true);
  };
  return LargestEigenvalue(matrix.options(), n, [&](const at::Tensor& x) { return matrix.mm(x); }) *
         LargestEigenvalue(matrix.options(), n, times_inverse);
}

// The eigenvalues and vectors, or nothing where the iteration does not converge: LibTorch says that by an
// exception, which is an answer of this step and not a failure of the job.
std::optional<std::tuple<at::Tensor, at::Tensor>> Eigen(const at::Tensor& matrix) {
  try {
    return at::linalg_eigh(matrix);
  } catch (const c10::LinAlgError&) {
    return std::nullopt;
  }
}

std::optional<at::Tensor> PseudoInverseTimes(const at::Tensor& matrix, const at::Tensor& rhs) {
  const auto eigen = Eigen(matrix);
  if (!eigen) return std::nullopt;
  const auto& [values, vectors] = *eigen;
  const double largest = values.abs().max().item<double>();
  const double threshold =
      largest * static_cast<double>(matrix.size(0)) * std::numeric_limits<double>::epsilon();
  const at::Tensor inverse = at::where(values > threshold, values.reciprocal(), at::zeros_like(values));
  return vectors.mm(inverse.unsqueeze(1) * vectors.t().mm(rhs));
}

}  // namespace

NormalEquations NormalEquations::Restrict(const at::Tensor& features) const {
  return {gram_UU.index_select(0, features).index_select(1, features), cross_Ud.index_select(0, features),
          target_squared};
}

double NormalEquations::RelativeError(const at::Tensor& weights_Ud) const {
  const at::Tensor fit = gram_UU.mm(weights_Ud);
  const double squared = target_squared + (weights_Ud * (fit - 2 * cross_Ud)).sum().item<double>();
  if (!std::isfinite(squared)) return kInfinity;
  const double error = std::sqrt(std::max(squared, 0.0));
  if (target_squared > 0) return error / std::sqrt(target_squared);
  return error == 0 ? 0 : kInfinity;
}

Solution SolveLeastSquares(const NormalEquations& equations, const at::Tensor& current_Ud) {
  const at::Tensor diagonal = equations.gram_UU.diagonal();
  Solution kept{current_Ud, "kept-weights", kInfinity, kInfinity};
  if (!IsFinite(equations.gram_UU) || !IsFinite(equations.cross_Ud) ||
      !std::isfinite(equations.target_squared))
    return kept;
  const at::Tensor live = at::nonzero(diagonal > 0).squeeze(1);
  if (live.size(0) == 0) {
    Solution zero{at::zeros_like(current_Ud), "eigen", kInfinity, 0};
    zero.relative_error = equations.RelativeError(zero.weights_Ud);
    return zero;
  }

  const bool all_live = live.size(0) == diagonal.size(0);
  const at::Tensor scale =
      (all_live ? diagonal : diagonal.index_select(0, live)).rsqrt().unsqueeze(1);  // [live, 1]
  const NormalEquations problem = all_live ? equations : equations.Restrict(live);
  const at::Tensor scaled = (problem.gram_UU * scale).mul_(scale.t());
  const at::Tensor rhs = scale * problem.cross_Ud;
  double condition = kInfinity;
  // Puts a step's answer back into the unknowns.
  const auto solution_of = [&](const at::Tensor& scaled_weights, const char* path) {
    at::Tensor weights = scale * scaled_weights;
    if (!all_live) weights = at::zeros_like(equations.cross_Ud).index_copy(0, live, weights);
    Solution solution{weights, path, condition, kInfinity};
    if (IsFinite(weights)) solution.relative_error = equations.RelativeError(weights);
    return solution;
  };

  if (const auto factor = Cholesky(scaled)) {
    condition = EstimateCondition(scaled, *factor);
    if (condition <= kMaxCondition) {
      // The minimum, up to rounding: nothing to compare it with.
      Solution solution = solution_of(at::cholesky_solve(rhs, *factor), "cholesky");
      if (std::isfinite(solution.relative_error)) return solution;
    }
  }
  kept.condition = condition;
  kept.relative_error = equations.RelativeError(current_Ud);
  const auto fits = [&](const Solution& solution) {
    return std::isfinite(solution.relative_error) &&
           solution.relative_error <= kept.relative_error * (1 + 1e-9) + 1e-12;
  };
  at::Tensor ridged = scaled.clone();
  ridged.diagonal().add_(kRidge);
  if (const auto factor = Cholesky(ridged)) {
    if (Solution solution = solution_of(at::cholesky_solve(rhs, *factor), "ridge"); fits(solution))
      return solution;
  }
  if (const auto pseudo = PseudoInverseTimes(scaled, rhs)) {
    if (Solution solution = solution_of(*pseudo, "eigen"); fits(solution)) return solution;
  }
  return kept;
}

}  // namespace kprune
