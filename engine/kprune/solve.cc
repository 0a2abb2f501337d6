#include "engine/kprune/solve.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <limits>
#include <optional>
#include <tuple>

namespace kprune {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::optional<at::Tensor> Cholesky(const at::Tensor& matrix) {
  auto [factor, info] = at::linalg_cholesky_ex(matrix);
  if (info.item<int>() != 0 || !at::isfinite(factor).all().item<bool>()) return std::nullopt;
  return factor;
}

// Largest over smallest eigenvalue by power iteration on the matrix and, through its factor, on its inverse.
double EstimateCondition(const at::Tensor& matrix, const at::Tensor& factor) {
  constexpr int kSteps = 12;
  const int64_t n = matrix.size(0);
  // A fixed start with a part in every direction.
  at::Tensor top = at::arange(1, n + 1, matrix.options()).mul(0.7).cos().unsqueeze(1) + 1.5, bottom = top;
  double largest = 0, inverse_smallest = 0;
  for (int i = 0; i < kSteps; ++i) {
    top = matrix.mm(top / top.norm());
    bottom = at::cholesky_solve(bottom / bottom.norm(), factor);
  }
  largest = top.norm().item<double>();
  inverse_smallest = bottom.norm().item<double>();
  return largest * inverse_smallest;
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
  Solution kept{current_Ud, "kept-weights", kInfinity, equations.RelativeError(current_Ud)};
  const at::Tensor diagonal = equations.gram_UU.diagonal();
  const bool finite = at::isfinite(equations.gram_UU).all().item<bool>() &&
                      at::isfinite(equations.cross_Ud).all().item<bool>() &&
                      std::isfinite(equations.target_squared);
  const at::Tensor live = at::nonzero(diagonal > 0).squeeze(1);
  if (!finite) return kept;
  if (live.size(0) == 0) {
    Solution zero{at::zeros_like(current_Ud), "eigen", kInfinity, 0};
    zero.relative_error = equations.RelativeError(zero.weights_Ud);
    return zero;
  }

  const NormalEquations problem = equations.Restrict(live);
  const at::Tensor scale = diagonal.index_select(0, live).rsqrt().unsqueeze(1);  // [live, 1]
  const at::Tensor scaled = scale * problem.gram_UU * scale.t();
  const at::Tensor rhs = scale * problem.cross_Ud;
  double condition = kInfinity;
  // Puts a step's answer back into the unknowns; nothing where it is not usable.
  const auto accept = [&](const at::Tensor& scaled_weights, const char* path) -> std::optional<Solution> {
    const at::Tensor weights = at::zeros_like(equations.cross_Ud).index_copy(0, live, scale * scaled_weights);
    const double error = equations.RelativeError(weights);
    if (!at::isfinite(weights).all().item<bool>() || error > kept.relative_error * (1 + 1e-9) + 1e-12)
      return std::nullopt;
    return Solution{weights, path, condition, error};
  };

  if (const auto factor = Cholesky(scaled)) {
    condition = EstimateCondition(scaled, *factor);
    if (condition <= kMaxCondition) {
      if (auto solution = accept(at::cholesky_solve(rhs, *factor), "cholesky")) return *solution;
    }
  }
  at::Tensor ridged = scaled.clone();
  ridged.diagonal().add_(kRidge);
  if (const auto factor = Cholesky(ridged)) {
    if (auto solution = accept(at::cholesky_solve(rhs, *factor), "ridge")) return *solution;
  }
  if (const auto pseudo = PseudoInverseTimes(scaled, rhs)) {
    if (auto solution = accept(*pseudo, "eigen")) return *solution;
  }
  kept.condition = condition;
  return kept;
}

}  // namespace kprune
