// The orders of removal_order.h of units of one feature, computed without ever waiting for the device: for
// GPUs.
#ifndef KPRUNE_ENGINE_REFIT_REMOVAL_ORDER_ON_DEVICE_H_
#define KPRUNE_ENGINE_REFIT_REMOVAL_ORDER_ON_DEVICE_H_

#include <vector>

#include "engine/refit/removal_order.h"

namespace kprune {

// Of B sublayers with U units each at once: a removal takes some fifteen launches, however many they are.
// inverse_BUU are (G + damping)^-1 and loss_BUU are W^T H W, float64 on any one device. Needs another 3 B U^2
// of float64 there.
std::vector<RemovalOrder> OrderSingleFeaturesOnDevice(const at::Tensor& inverse_BUU,
                                                      const at::Tensor& loss_BUU);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_REFIT_REMOVAL_ORDER_ON_DEVICE_H_
