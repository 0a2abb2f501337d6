#include "engine/data/draw.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "absl/strings/str_cat.h"
#include "engine/data/shuffle.h"

namespace kprune {

absl::StatusOr<SampleDraw> DrawSamples(int64_t available, int64_t samples, double holdout, uint32_t seed) {
  std::vector<int64_t> lines(available);
  std::iota(lines.begin(), lines.end(), 0);
  std::mt19937_64 random(seed);
  Shuffle(random, lines);
  const int64_t drawn = samples == 0 ? available : std::min(samples, available);
  const int64_t judging =
      std::min(kMaxJudgingSamples, static_cast<int64_t>(std::llround(holdout * static_cast<double>(drawn))));
  const bool enough_left = available - drawn >= judging;
  const int64_t pruning = enough_left ? drawn : drawn - judging;
  if (pruning < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("holdout ", holdout, " leaves none of the ", drawn,
                     " samples to prune with; give more samples or a smaller holdout"));
  }
  SampleDraw draw;
  draw.pruning.assign(lines.begin(), lines.begin() + pruning);
  draw.judging.assign(lines.begin() + pruning, lines.begin() + pruning + judging);
  std::sort(draw.pruning.begin(), draw.pruning.end());
  std::sort(draw.judging.begin(), draw.judging.end());
  return draw;
}

absl::StatusOr<SampleDraw> DrawLines(absl::Span<const Sample> set, int64_t lines, double holdout,
                                     uint32_t seed) {
  const std::vector<int64_t> offsets = LineOffsets(set);
  absl::StatusOr<SampleDraw> drawn =
      DrawSamples(static_cast<int64_t>(offsets.size()) - 1, lines, holdout, seed);
  if (!drawn.ok()) return drawn;
  SampleDraw draw;
  const auto add = [&](const std::vector<int64_t>& from, std::vector<int64_t>& to) {
    for (const int64_t line : from) {
      for (int64_t i = offsets[line]; i < offsets[line + 1]; ++i) to.push_back(i);
    }
  };
  add(drawn->pruning, draw.pruning);
  add(drawn->judging, draw.judging);
  return draw;
}

}  // namespace kprune
