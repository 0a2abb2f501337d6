// How many units every sublayer keeps so that the predicted loss is least within a budget of FLOPs or
// milliseconds.
#ifndef KPRUNE_ENGINE_REFIT_ALLOCATION_H_
#define KPRUNE_ENGINE_REFIT_ALLOCATION_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace kprune {

struct SublayerCurve {
  std::vector<double> losses;  // [units + 1]: predicted once k units are gone (RemovalOrder::costs)
  std::vector<double> prices;  // [units + 1]: of keeping k units, in what the budget is of; rising from 0
  int64_t rounding = 1;        // so many units stay together: a multiple of it is kept, or all
};

// Prices where every unit has the same one.
std::vector<double> EvenPrices(int64_t units, double unit_price);

// Units kept per sublayer. Bottom up, each keeps what minimises the sum of the losses of it and of all above
// within what is left of the budget, over the lower convex hulls of the curves, by one multiplier (how much
// loss is worth its price); what is left over at the end, if it is over 0.1 % of the budget, goes to the
// units that save the most loss for their price and still fit. Never over the budget. Pure; thread-safe.
std::vector<int64_t> AllocateUnits(absl::Span<const SublayerCurve> curves, double budget);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_REFIT_ALLOCATION_H_
