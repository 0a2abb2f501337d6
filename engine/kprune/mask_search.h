// Knowledge-preserving mask search (KPMS, paper section 4.3): which units of the bottom remaining sublayer
// stay.
#ifndef KPRUNE_ENGINE_KPRUNE_MASK_SEARCH_H_
#define KPRUNE_ENGINE_KPRUNE_MASK_SEARCH_H_

#include <vector>

#include "absl/types/span.h"
#include "engine/model/encoder.h"

namespace kprune {

// One remaining sublayer: S(unit) = knowledge per FLOP of each of its units, and the FLOPs of one unit.
struct SublayerScores {
  std::vector<double> scores;
  double unit_flops = 0;
};

// Sorts the units of all remaining sublayers together by falling score (ties: lower sublayer, then lower unit
// first), keeps from the top while their FLOPs fit `budget_flops`, and returns which units of remaining[0]
// are kept. One sort and one running sum. Their number is rounded to the nearest multiple of `rounding` that
// fits, but not to none; to the next lower one where no sublayer stands above that could spend the rest.
Selection SearchBottomSublayer(absl::Span<const SublayerScores> remaining, double budget_flops,
                               int64_t rounding = 1);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KPRUNE_MASK_SEARCH_H_
