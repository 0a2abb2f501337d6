// Which lines prune and which lines judge.
//
// Every line has a key, a hash of the seed and of its number among all lines. The lines with the least keys
// are drawn: no line's key depends on how many others there are, so that one pass over a stream draws, and
// every format of the same lines, packed or not, gives the same draw. Thread-safe: pure functions.
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

// The key of line `index`, from 0: the same on every machine.
uint64_t DrawKey(uint32_t seed, int64_t index);

// The most lines that a draw of `samples` takes, those that judge among them.
int64_t MostDrawn(int64_t samples, double holdout);

// Draws `samples` of `available` lines (all where samples is 0 or more than there are) and `holdout` times as
// many lines (at most kMaxJudgingSamples) that only judge: from the lines not drawn where there are enough,
// else out of the drawn ones. InvalidArgument where no line is left to prune with.
absl::StatusOr<SampleDraw> DrawSamples(int64_t available, int64_t samples, double holdout, uint32_t seed);

// The same of the lines that `set` comes from, with all sequences of every line that is drawn.
absl::StatusOr<SampleDraw> DrawLines(absl::Span<const Sample> set, int64_t lines, double holdout,
                                     uint32_t seed);

// Which of the lines that ReadSamples read by `choice` prune and which judge.
absl::StatusOr<SampleDraw> DrawLines(const SampleSet& set, const LineChoice& choice);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_DRAW_H_
