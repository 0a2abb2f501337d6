#include "engine/data/draw.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

int64_t Judging(int64_t drawn, double holdout) {
  return std::min(kMaxJudgingSamples,
                  static_cast<int64_t>(std::llround(holdout * static_cast<double>(drawn))));
}

// Of lines with such numbers, rising; the result are places in `lines`.
absl::StatusOr<SampleDraw> DrawOf(absl::Span<const int64_t> lines, const LineChoice& choice) {
  std::vector<int64_t> places(lines.size());
  std::iota(places.begin(), places.end(), 0);
  const auto key = [&](int64_t place) { return std::pair(DrawKey(choice.seed, lines[place]), lines[place]); };
  std::sort(places.begin(), places.end(), [&](int64_t a, int64_t b) { return key(a) < key(b); });
  const auto here = static_cast<int64_t>(lines.size());
  const int64_t drawn = choice.samples == 0 ? here : std::min(choice.samples, here);
  const int64_t judging = Judging(drawn, choice.holdout);
  const bool enough_left = here - drawn >= judging;
  const int64_t pruning = enough_left ? drawn : drawn - judging;
  if (pruning < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("holdout ", choice.holdout, " leaves none of the ", drawn,
                     " samples to prune with; give more samples or a smaller holdout"));
  }
  SampleDraw draw;
  draw.pruning.assign(places.begin(), places.begin() + pruning);
  draw.judging.assign(places.begin() + pruning, places.begin() + pruning + judging);
  std::sort(draw.pruning.begin(), draw.pruning.end());
  std::sort(draw.judging.begin(), draw.judging.end());
  return draw;
}

std::vector<int64_t> UpTo(int64_t count) {
  std::vector<int64_t> lines(static_cast<size_t>(count));
  std::iota(lines.begin(), lines.end(), 0);
  return lines;
}

// Of lines to their sequences.
SampleDraw WithSequences(const SampleDraw& of_lines, const std::vector<int64_t>& offsets) {
  SampleDraw draw;
  const auto add = [&](const std::vector<int64_t>& from, std::vector<int64_t>& to) {
    for (const int64_t line : from) {
      for (int64_t i = offsets[line]; i < offsets[line + 1]; ++i) to.push_back(i);
    }
  };
  add(of_lines.pruning, draw.pruning);
  add(of_lines.judging, draw.judging);
  return draw;
}

}  // namespace

uint64_t DrawKey(uint32_t seed, int64_t index) {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
  return Mix(Mix((seed + uint64_t{1}) * kGolden) + (static_cast<uint64_t>(index) + 1) * kGolden);
}

int64_t MostDrawn(int64_t samples, double holdout) { return samples + Judging(samples, holdout); }

absl::StatusOr<SampleDraw> DrawSamples(int64_t available, int64_t samples, double holdout, uint32_t seed) {
  return DrawOf(UpTo(available), {samples, holdout, seed});
}

absl::StatusOr<SampleDraw> DrawLines(absl::Span<const Sample> set, int64_t lines, double holdout,
                                     uint32_t seed) {
  const std::vector<int64_t> offsets = LineOffsets(set);
  absl::StatusOr<SampleDraw> drawn =
      DrawSamples(static_cast<int64_t>(offsets.size()) - 1, lines, holdout, seed);
  return drawn.ok() ? WithSequences(*drawn, offsets) : drawn;
}

absl::StatusOr<SampleDraw> DrawLines(const SampleSet& set, const LineChoice& choice) {
  absl::StatusOr<SampleDraw> drawn = DrawOf(set.lines, choice);
  return drawn.ok() ? WithSequences(*drawn, LineOffsets(set.samples)) : drawn;
}

}  // namespace kprune
