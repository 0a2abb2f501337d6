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
#include <optional>
#include <vector>

#include "absl/types/span.h"

namespace kprune {

struct RemovalOrder {
  std::vector<int64_t> units;  // the first leaves first
  std::vector<double>
      costs;  // [units + 1] predicted loss, in nats, once the first k units are gone; never falls
};

// What one sublayer's order follows from: gram_UU and fisher_dd symmetric float64, weight_dU of any type, all
// on one device.
struct RemovalProblem {
  at::Tensor gram_UU, weight_dU, fisher_dd;
  int64_t unit_width = 1;
};

// For every sublayer on its own: removes the cheapest unit, refits, and goes on until none is left, the exact
// greedy order. `damping` times the mean diagonal of G is added to its diagonal. Ties go to the unit with the
// smaller number. Not to be had (nullopt) where a matrix is not finite or the damped G not positive definite.
// On a GPU sublayers with as many units of one feature are ordered at once, in little more time than one of
// them.
std::vector<std::optional<RemovalOrder>> OrderRemovals(absl::Span<const RemovalProblem> problems,
                                                       double damping);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_REFIT_REMOVAL_ORDER_H_
