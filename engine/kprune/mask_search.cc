#include "engine/kprune/mask_search.h"

#include <algorithm>

namespace kprune {

Selection SearchBottomSublayer(absl::Span<const SublayerScores> remaining, double budget_flops) {
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
  // The sum of many equal terms may round a little above a budget that they fill exactly.
  const double limit = budget_flops * (1 + 1e-12);
  Selection kept;
  double flops = 0;
  for (const Unit& unit : units) {
    flops += remaining[unit.sublayer].unit_flops;
    if (flops > limit) break;
    if (unit.sublayer == 0) kept.push_back(unit.unit);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

}  // namespace kprune
