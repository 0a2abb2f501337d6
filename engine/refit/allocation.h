// How many units every sublayer keeps so that the predicted loss is least within the FLOPs budget.
#ifndef KPRUNE_ENGINE_REFIT_ALLOCATION_H_
#define KPRUNE_ENGINE_REFIT_ALLOCATION_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace kprune {

struct SublayerCurve {
  std::vector<double> costs;  // [units + 1]: predicted loss once k units are gone (RemovalOrder)
  double unit_flops = 0;
  int64_t rounding = 1;  // so many units stay together: a multiple of it is kept, or all
};

// Units kept per sublayer. Bottom up, each keeps what minimises the sum of the losses of it and of all above
// within what is left of the budget, over the lower convex hulls of the curves, by one multiplier (a price of
// a FLOP); what is left over at the end, if it is over 0.1 % of the budget, goes to the units that save the
// most loss a FLOP and still fit. Never over the budget. Pure; thread-safe.
std::vector<int64_t> AllocateUnits(absl::Span<const SublayerCurve> curves, double budget_flops);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_REFIT_ALLOCATION_H_
