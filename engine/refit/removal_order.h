// The order in which the units of one sublayer leave when the rest is refitted after each (design:
// refit-aware search).
//
// Shapes: U features, d hidden size; a unit is `unit_width` features side by side.
//
// G = mean over tokens of z z^T, H = mean over samples of the sum over tokens of g g^T with g the gradient of
// the Fisher's probes at the sublayer's output. A change dW of the output projection W [d, U] costs 1/2 tr(H
// dW G dW^T) nats (the Kronecker-factored Fisher). With A = (G + damping)^-1, removing the features B and
// refitting the others costs 1/2 tr(H W_B (A_BB)^-1 W_B^T); then W -= W_B (A_BB)^-1 A_B: and A -= A_:B
// (A_BB)^-1 A_B: (optimal brain surgeon).
#ifndef KPRUNE_ENGINE_REFIT_REMOVAL_ORDER_H_
#define KPRUNE_ENGINE_REFIT_REMOVAL_ORDER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace kprune {

struct RemovalOrder {
  std::vector<int64_t> units;  // the first leaves first
  std::vector<double>
      costs;  // [units + 1] predicted loss, in nats, once the first k units are gone; never falls
};

// Removes the cheapest unit, refits, and goes on until none is left: the exact greedy order. gram_UU and
// fisher_dd are symmetric float64 on the CPU, weight_dU of any type. `damping` times the mean diagonal of G
// is added to its diagonal. Ties go to the unit with the smaller number. Not to be had (nullopt) where a
// matrix is not finite or the damped G not positive definite.
std::optional<RemovalOrder> OrderRemovals(const at::Tensor& gram_UU, const at::Tensor& weight_dU,
                                          const at::Tensor& fisher_dd, int64_t unit_width, double damping);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_REFIT_REMOVAL_ORDER_H_
