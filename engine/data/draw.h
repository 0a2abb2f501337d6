// Which lines prune and which lines judge.
#ifndef KPRUNE_ENGINE_DATA_DRAW_H_
#define KPRUNE_ENGINE_DATA_DRAW_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/data/samples.h"

namespace kprune {

// The most lines that only judge.
inline constexpr int64_t kMaxJudgingSamples = 512;

// Indices into a sample set, each list rising (file order), the lists disjoint.
struct SampleDraw {
  std::vector<int64_t> pruning;
  std::vector<int64_t> judging;
};

// Draws `samples` of `available` lines (all where samples is 0 or more than there are) and `holdout` times as
// many lines (at most kMaxJudgingSamples) that only judge: from the lines not drawn where there are enough,
// else out of the drawn ones. The same arguments give the same draw on every machine. InvalidArgument where
// no line is left to prune with.
absl::StatusOr<SampleDraw> DrawSamples(int64_t available, int64_t samples, double holdout, uint32_t seed);

// The same of the lines that `set` comes from, with all sequences of every line that is drawn.
absl::StatusOr<SampleDraw> DrawLines(absl::Span<const Sample> set, int64_t lines, double holdout,
                                     uint32_t seed);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_DRAW_H_
