#include "engine/kprune/mask_search.h"

#include <algorithm>

namespace kprune {

namespace {

// The sum of many equal terms may round a little above a budget that they fill exactly.
constexpr double kSlack = 1 + 1e-12;

int64_t Rounded(int64_t kept, const SublayerScores& bottom, bool alone, double budget_flops,
                int64_t rounding) {
  const auto all = static_cast<int64_t>(bottom.scores.size());
  if (rounding == 1 || kept == all) return kept;
  int64_t rounded = kept - kept % rounding;
  const int64_t more = std::min(rounded + rounding, all);
  const bool nearer = 2 * (kept - rounded) > more - rounded || (rounded == 0 && kept > 0);
  if (!alone && nearer && static_cast<double>(more) * bottom.unit_flops <= budget_flops * kSlack)
    rounded = more;
  return rounded;
}

}  // namespace

Selection SearchBottomSublayer(absl::Span<const SublayerScores> remaining, double budget_flops,
                               int64_t rounding) {
  struct Unit {
    double score;
    int sublayer;
    int64_t unit;
  };
  std::vector<Unit> units;
  for (int s = 0; s < static_cast<int>(remaining.size()); ++s) {
    for (size_t u = 0; u < remaining[s].scores.size(); ++u) {
      units.push_back({remaining[s].scores[u], s, static_cast<int64_t>(u)});
    }
  }
  std::stable_sort(units.begin(), units.end(),
                   [](const Unit& a, const Unit& b) { return a.score > b.score; });
  int64_t fit = 0;  // of the bottom sublayer
  double flops = 0;
  for (const Unit& unit : units) {
    flops += remaining[unit.sublayer].unit_flops;
    if (flops > budget_flops * kSlack) break;
    if (unit.sublayer == 0) ++fit;
  }
  const int64_t keep = Rounded(fit, remaining[0], remaining.size() == 1, budget_flops, rounding);
  Selection kept;
  for (const Unit& unit : units) {
    if (unit.sublayer == 0 && static_cast<int64_t>(kept.size()) < keep) kept.push_back(unit.unit);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

}  // namespace kprune
