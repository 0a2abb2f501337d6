#include "engine/refit/affine_fit.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace kprune {

GramAccumulator::Products ProductsFor(double added, at::ScalarType compute_type) {
  using Products = GramAccumulator::Products;
  if (added < kFasterProducts) return Products::kDouble;
  return compute_type == at::kBFloat16 ? Products::kBFloat16 : Products::kSingle;
}

AffineEquations::AffineEquations(int64_t columns, int64_t targets, double ridge, at::ScalarType compute_type,
                                 at::Device device)
    : ridge_(ridge),
      sums_(columns, targets + 1, device, ProductsFor(ridge, compute_type)),
      target_sum_d_(at::zeros({targets}, sums_.Cross().options())),
      totals_(at::zeros({2}, sums_.Cross().options())) {}

void AffineEquations::Add(const at::Tensor& rows_TU, const at::Tensor& targets_Td,
                          const at::Tensor& weights_T) {
  const at::Tensor ones = at::ones({targets_Td.size(0), 1}, targets_Td.options());
  if (rows_TU.size(1) > 0) sums_.Add(rows_TU, at::cat({targets_Td, ones}, 1), weights_T);
  const at::Tensor weights =
      weights_T.defined() ? weights_T : at::ones({targets_Td.size(0)}, target_sum_d_.options());
  const at::Tensor weights_of_type = weights.to(targets_Td.scalar_type());
  target_sum_d_ += weights_of_type.matmul(targets_Td);
  totals_[0] += weights.sum();
  totals_[1] += weights.dot(targets_Td.square().sum(1).to(at::kDouble));
}

// The constant takes the means away: what remains is a problem of centred rows and targets.
AffineFit AffineEquations::Solve(const at::Tensor& current_Ud) const {
  const int64_t targets = target_sum_d_.size(0);
  const double weight = totals_[0].item<double>(), target_squared = totals_[1].item<double>();
  const at::Tensor target_mean_d = target_sum_d_ / std::max(weight, 1e-300);
  const double centred_squared =
      std::max(0.0, target_squared - weight * target_mean_d.square().sum().item<double>());
  const auto relative = [&](double squared) {
    return target_squared > 0 ? std::sqrt(std::max(squared, 0.0) / target_squared) : 0.0;
  };
  if (sums_.Cross().size(0) == 0)
    return {current_Ud, target_mean_d, {at::Tensor(), "empty", 0, relative(centred_squared)}};
  const at::Tensor mean_U = sums_.Cross().select(1, targets) / std::max(weight, 1e-300);
  const at::Tensor gram_UU = sums_.Matrix();
  const double added = ridge_ * gram_UU.diagonal().mean().item<double>();
  const at::Tensor centred_UU = gram_UU - (mean_U * weight).outer(mean_U);
  const at::Tensor cross_Ud = sums_.Cross().narrow(1, 0, targets) - (mean_U * weight).outer(target_mean_d);
  at::Tensor ridged_UU = centred_UU.clone();
  ridged_UU.diagonal().add_(added);
  AffineFit fit;
  fit.solution = SolveLeastSquares({ridged_UU, cross_Ud, centred_squared}, current_Ud);
  fit.weights_Ud = fit.solution.weights_Ud;
  fit.constant_d = target_mean_d - mean_U.matmul(fit.weights_Ud);
  fit.solution.relative_error =
      relative(centred_squared +
               (fit.weights_Ud * (centred_UU.mm(fit.weights_Ud) - 2 * cross_Ud)).sum().item<double>());
  return fit;
}

}  // namespace kprune
