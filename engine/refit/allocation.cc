#include "engine/refit/allocation.h"

#include <algorithm>

namespace kprune {
namespace {

constexpr double kRounding = 1e-12;      // of sums of prices, relative
constexpr double kWorthSpending = 1e-3;  // share of the budget: less is not worth units off their hull

// One segment of a lower convex hull: keeping `to` units instead of `from` saves `gain` of loss for its
// price.
struct Segment {
  double gain = 0;
  size_t sublayer = 0;
  int64_t from = 0, to = 0;
};

int64_t UnitsOf(const SublayerCurve& curve) { return static_cast<int64_t>(curve.losses.size()) - 1; }

double PriceOf(const SublayerCurve& curve, int64_t from, int64_t to) {
  return curve.prices[to] - curve.prices[from];
}

// The most units that may be kept within `limit`.
int64_t Rounded(const SublayerCurve& curve, int64_t limit) {
  return limit >= UnitsOf(curve) ? UnitsOf(curve) : limit - limit % curve.rounding;
}

// Corners of the lower convex hull of (price, loss), from no unit kept to all.
std::vector<Segment> HullOf(const SublayerCurve& curve, size_t sublayer) {
  const int64_t all = UnitsOf(curve);
  const auto gain = [&](int64_t a, int64_t b) {
    return (curve.losses[all - a] - curve.losses[all - b]) / PriceOf(curve, a, b);
  };
  std::vector<int64_t> corners;
  for (int64_t kept = 0; kept <= all; kept = std::min(kept + curve.rounding, std::max(all, kept + 1))) {
    while (corners.size() > 1 &&
           gain(corners[corners.size() - 2], corners.back()) <= gain(corners.back(), kept))
      corners.pop_back();
    corners.push_back(kept);
  }
  std::vector<Segment> segments;
  for (size_t i = 1; i < corners.size(); ++i)
    segments.push_back({gain(corners[i - 1], corners[i]), sublayer, corners[i - 1], corners[i]});
  return segments;
}

// Corners of the hulls of the sublayers from `first` on that one multiplier picks within `budget`. On a hull
// gains only fall, so taking segments in the order of their gains is the search for it, which ends with the
// first that does not fit.
std::vector<int64_t> UnitsAtOneMultiplier(const std::vector<Segment>& segments_by_gain,
                                          absl::Span<const SublayerCurve> curves, size_t first,
                                          double budget) {
  std::vector<int64_t> kept(curves.size(), 0);
  for (const Segment& segment : segments_by_gain) {
    if (segment.sublayer < first) continue;
    const double price = PriceOf(curves[segment.sublayer], segment.from, segment.to);
    if (price > budget * (1 + kRounding)) break;
    kept[segment.sublayer] = segment.to;
    budget -= price;
  }
  return kept;
}

// The most units that may be kept where `kept` are and `left` may be spent on more.
int64_t Affordable(const SublayerCurve& curve, int64_t kept, double left) {
  const double limit = curve.prices[kept] + left * (1 + kRounding);
  return std::upper_bound(curve.prices.begin() + kept, curve.prices.end(), limit) - curve.prices.begin() - 1;
}

}  // namespace

std::vector<double> EvenPrices(int64_t units, double unit_price) {
  std::vector<double> prices;
  for (int64_t kept = 0; kept <= units; ++kept) prices.push_back(static_cast<double>(kept) * unit_price);
  return prices;
}

std::vector<int64_t> AllocateUnits(absl::Span<const SublayerCurve> curves, double budget) {
  std::vector<Segment> segments;
  for (size_t s = 0; s < curves.size(); ++s) {
    const std::vector<Segment> hull = HullOf(curves[s], s);
    segments.insert(segments.end(), hull.begin(), hull.end());
  }
  std::stable_sort(segments.begin(), segments.end(),
                   [](const Segment& a, const Segment& b) { return a.gain > b.gain; });
  std::vector<int64_t> kept(curves.size(), 0);
  double left = budget;
  // What one multiplier leaves over goes to the sublayers above, at another.
  for (size_t t = 0; t < curves.size(); ++t) {
    kept[t] = UnitsAtOneMultiplier(segments, curves, t, left)[t];
    left -= PriceOf(curves[t], 0, kept[t]);
  }
  if (left < kWorthSpending * budget) return kept;
  // And what the last one leaves over, to whatever saves most and fits.
  for (const Segment& segment : segments) {
    int64_t& units = kept[segment.sublayer];
    const SublayerCurve& curve = curves[segment.sublayer];
    const int64_t more = Rounded(curve, std::min(segment.to, Affordable(curve, units, left)));
    if (more <= units) continue;
    left -= PriceOf(curve, units, more);
    units = more;
  }
  return kept;
}

}  // namespace kprune
