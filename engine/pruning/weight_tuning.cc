#include "engine/pruning/weight_tuning.h"

#include <ATen/ATen.h>

#include "engine/model/steps.h"
#include "engine/model/tensor_conversion.h"

namespace kprune {
namespace {

// Of the scaled Gram matrix, whose norm is well above 1: an error of 1e-6 then moves the weakest direction of
// the solution by a hundredth at most, and what it leaves by far less.
constexpr double kMostCondition = 1e6;

}  // namespace

TuningAccumulator::TuningAccumulator(const Sublayer& target, Products products)
    : target_(target),
      type_(products == Products::kDouble ? at::kDouble : at::kFloat),
      equations_(target.num_features(), target.out.bias.size(0), target.in.weight.device(), products),
      target_squared_(at::zeros({}, equations_.Cross().options())) {}

void TuningAccumulator::Add(const at::Tensor& features_TK, const at::Tensor& student_Td,
                            const at::Tensor& teacher_Td) {
  const at::Tensor residual_Td = at::empty(teacher_Td.sizes(), teacher_Td.options().dtype(type_));
  Residual(teacher_Td, student_Td, target_.out.bias, residual_Td, target_squared_);
  equations_.Add(features_TK, residual_Td);
}

NormalEquations TuningAccumulator::Result() const {
  return {equations_.Matrix(), equations_.Cross(), target_squared_.item<double>()};
}

GramAccumulator::Products TuningProducts(at::ScalarType compute_type, at::Device device) {
  using Products = GramAccumulator::Products;
  return compute_type == at::kBFloat16 && device.is_cpu() ? Products::kBFloat16 : Products::kDouble;
}

bool IsAsGood(const Solution& solution, GramAccumulator::Products products) {
  if (products == GramAccumulator::Products::kDouble || solution.path == "empty") return true;
  return solution.path == "cholesky" && solution.condition <= kMostCondition;
}

TunedProjection TuneOutput(const Sublayer& target, const NormalEquations& equations) {
  const at::Tensor& current_dK = target.out.weight;
  if (target.num_units() == 0)
    return {target.out, {at::Tensor(), "empty", 0, equations.target_squared > 0 ? 1.0 : 0.0}};
  Solution solution = SolveLeastSquares(equations, current_dK.t().to(at::kDouble));
  // As the checkpoint will store it, so that the sublayers above are tuned against what a user loads.
  const at::Tensor rounded_dK = RoundedToCheckpoint(solution.weights_Ud.t(), target.stored_type);
  return {{rounded_dK, target.out.bias}, std::move(solution)};
}

}  // namespace kprune
