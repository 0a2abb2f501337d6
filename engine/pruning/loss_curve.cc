#include "engine/pruning/loss_curve.h"

#include <algorithm>

namespace kprune {

LossCurve SampleCurve(absl::Span<const double> losses) {
  LossCurve curve;
  const auto last = static_cast<int64_t>(losses.size()) - 1;
  const int64_t steps = std::min(last, kMostCurvePoints - 1);
  for (int64_t i = 0; i <= steps; ++i) {
    const int64_t removed = steps == 0 ? 0 : (i * last + steps / 2) / steps;
    curve.removed.push_back(removed);
    curve.losses.push_back(losses[removed]);
  }
  return curve;
}

}  // namespace kprune
