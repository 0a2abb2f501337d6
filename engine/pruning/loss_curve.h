// The loss that a method predicts for a sublayer against the units that it removes there.
#ifndef KPRUNE_ENGINE_PRUNING_LOSS_CURVE_H_
#define KPRUNE_ENGINE_PRUNING_LOSS_CURVE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace kprune {

// The most points of a curve.
inline constexpr int64_t kMostCurvePoints = 33;

struct LossCurve {
  std::vector<int64_t> removed;  // units that are gone: rising, from 0 to all of them
  std::vector<double> losses;    // of each, in nats
};

// At most kMostCurvePoints points, evenly spaced, of losses[k] once k units are gone; the first and the last
// are among them. Empty where there are no losses.
LossCurve SampleCurve(absl::Span<const double> losses);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_LOSS_CURVE_H_
