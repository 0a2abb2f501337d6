#include "engine/kprune/weight_tuning.h"

#include <ATen/ATen.h>

#include "engine/model/tensor_conversion.h"

namespace kprune {

TuningAccumulator::TuningAccumulator(const Sublayer& target)
    : target_(target),
      gram_(target.num_features(), target.in.weight.device()),
      cross_Ud_(at::zeros({target.num_features(), target.out.bias.size(0)},
                          at::TensorOptions(at::kDouble).device(target.in.weight.device()))),
      target_squared_(at::zeros({}, cross_Ud_.options())) {}

void TuningAccumulator::Add(const at::Tensor& features_TU, const at::Tensor& student_Td,
                            const at::Tensor& teacher_Td) {
  const at::Tensor z = features_TU.to(at::kDouble);
  const at::Tensor residual_Td =
      (teacher_Td.to(at::kDouble) - student_Td.to(at::kDouble)) - target_.out.bias.to(at::kDouble);
  gram_.Add(z);
  cross_Ud_.addmm_(z.t(), residual_Td);
  target_squared_ += residual_Td.square().sum();
}

NormalEquations TuningAccumulator::Result() const {
  return {gram_.Matrix(), cross_Ud_, target_squared_.item<double>()};
}

TunedProjection TuneOutput(const Sublayer& target, const NormalEquations& equations, const Selection& keep) {
  const at::Tensor features = FeaturesOf(keep, target.unit_width, target.in.weight.device());
  const at::Tensor current_dK = target.out.weight.index_select(1, features);
  if (keep.empty())
    return {{current_dK, target.out.bias},
            {at::Tensor(), "empty", 0, equations.target_squared > 0 ? 1.0 : 0.0}};
  Solution solution = SolveLeastSquares(equations.Restrict(features), current_dK.t().to(at::kDouble));
  // As the checkpoint will store it, so that the sublayers above are tuned against what a user loads.
  const at::Tensor stored = ToCheckpointTensor(solution.weights_Ud.t(), target.stored_type);
  return {{stored.to(current_dK.device(), at::kFloat).contiguous(), target.out.bias}, std::move(solution)};
}

}  // namespace kprune
