#include "engine/refit/allocation.h"

#include <algorithm>
#include <cmath>

namespace kprune {
namespace {

constexpr double kRounding = 1e-12;      // of sums of FLOPs, relative
constexpr double kWorthSpending = 1e-3;  // share of the budget: less is not worth units off their hull

// One segment of a lower convex hull: keeping `units` more units saves `gain` of loss a FLOP.
struct Segment {
  double gain = 0;
  size_t sublayer = 0;
  int64_t units = 0;
};

int64_t UnitsOf(const SublayerCurve& curve) { return static_cast<int64_t>(curve.costs.size()) - 1; }

// The most units that may be kept within `limit`.
int64_t Rounded(const SublayerCurve& curve, int64_t limit) {
  return limit >= UnitsOf(curve) ? UnitsOf(curve) : limit - limit % curve.rounding;
}

// Corners of the lower convex hull of (kept units, loss), from none kept to all.
std::vector<Segment> HullOf(const SublayerCurve& curve, size_t sublayer) {
  const int64_t all = UnitsOf(curve);
  const auto loss = [&](int64_t kept) { return curve.costs[all - kept]; };
  std::vector<int64_t> corners;
  for (int64_t kept = 0; kept <= all; kept = std::min(kept + curve.rounding, std::max(all, kept + 1))) {
    const auto slope = [&](int64_t a, int64_t b) { return (loss(b) - loss(a)) / static_cast<double>(b - a); };
    while (corners.size() > 1 &&
           slope(corners[corners.size() - 2], corners.back()) >= slope(corners.back(), kept))
      corners.pop_back();
    corners.push_back(kept);
  }
  std::vector<Segment> segments;
  for (size_t i = 1; i < corners.size(); ++i) {
    const int64_t units = corners[i] - corners[i - 1];
    segments.push_back(
        {(loss(corners[i - 1]) - loss(corners[i])) / (static_cast<double>(units) * curve.unit_flops),
         sublayer, units});
  }
  return segments;
}

// Corners of the hulls of the sublayers from `first` on that one price of a FLOP picks within `budget_flops`.
// On a hull gains only fall, so taking segments in the order of their gains is the search for that price; it
// ends with the first that does not fit.
std::vector<int64_t> UnitsAtOnePrice(const std::vector<Segment>& segments_by_gain,
                                     absl::Span<const SublayerCurve> curves, size_t first,
                                     double budget_flops) {
  std::vector<int64_t> kept(curves.size(), 0);
  for (const Segment& segment : segments_by_gain) {
    if (segment.sublayer < first) continue;
    const double flops = static_cast<double>(segment.units) * curves[segment.sublayer].unit_flops;
    if (flops > budget_flops * (1 + kRounding)) break;
    kept[segment.sublayer] += segment.units;
    budget_flops -= flops;
  }
  return kept;
}

}  // namespace

std::vector<int64_t> AllocateUnits(absl::Span<const SublayerCurve> curves, double budget_flops) {
  std::vector<Segment> segments;
  for (size_t s = 0; s < curves.size(); ++s) {
    const std::vector<Segment> hull = HullOf(curves[s], s);
    segments.insert(segments.end(), hull.begin(), hull.end());
  }
  std::stable_sort(segments.begin(), segments.end(),
                   [](const Segment& a, const Segment& b) { return a.gain > b.gain; });
  std::vector<int64_t> kept(curves.size(), 0);
  double left = budget_flops;
  // What one price leaves over goes to the sublayers above, at a lower one.
  for (size_t t = 0; t < curves.size(); ++t) {
    kept[t] = UnitsAtOnePrice(segments, curves, t, left)[t];
    left -= static_cast<double>(kept[t]) * curves[t].unit_flops;
  }
  if (left < kWorthSpending * budget_flops) return kept;
  // And what the last one leaves over, to whatever saves most and fits.
  std::vector<int64_t> passed(curves.size(), 0);
  for (const Segment& segment : segments) {
    const size_t s = segment.sublayer;
    passed[s] += segment.units;
    const auto fit = static_cast<int64_t>(std::floor(left / curves[s].unit_flops * (1 + kRounding)));
    const int64_t taken = Rounded(curves[s], std::min(passed[s], kept[s] + fit)) - kept[s];
    if (taken <= 0) continue;
    kept[s] += taken;
    left -= static_cast<double>(taken) * curves[s].unit_flops;
  }
  return kept;
}

}  // namespace kprune
