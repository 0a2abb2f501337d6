// The lines that a draw may want, of a stream of lines whose number is not known.
#ifndef KPRUNE_ENGINE_DATA_RESERVOIR_H_
#define KPRUNE_ENGINE_DATA_RESERVOIR_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "engine/data/draw.h"

namespace kprune {

// Keeps the lines whose DrawKey is least, at most `capacity` of them (none: all). Not thread-safe.
template <typename Line>
class Reservoir {
 public:
  Reservoir(std::optional<int64_t> capacity, uint32_t seed) : capacity_(capacity), seed_(seed) {}

  // Whether line `index` is kept if it is added now.
  bool Wants(int64_t index) const {
    if (!capacity_ || static_cast<int64_t>(lines_.size()) < *capacity_) return true;
    return !lines_.empty() && KeyOf(index) < lines_.front().first;
  }

  // Adds a line that it wants; the one with the greatest key goes where they are too many.
  void Add(int64_t index, Line line) {
    lines_.emplace_back(KeyOf(index), std::move(line));
    if (!capacity_) return;
    std::push_heap(lines_.begin(), lines_.end(), ByKey);
    if (static_cast<int64_t>(lines_.size()) <= *capacity_) return;
    std::pop_heap(lines_.begin(), lines_.end(), ByKey);
    lines_.pop_back();
  }

  int64_t size() const { return static_cast<int64_t>(lines_.size()); }

  // The lines and which they are, by rising index; the reservoir is empty afterwards.
  std::vector<std::pair<int64_t, Line>> Take() {
    std::vector<std::pair<int64_t, Line>> taken;
    for (auto& [key, line] : lines_) taken.emplace_back(key.second, std::move(line));
    lines_.clear();
    std::sort(taken.begin(), taken.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    return taken;
  }

 private:
  using Key = std::pair<uint64_t, int64_t>;
  using Kept = std::pair<Key, Line>;

  Key KeyOf(int64_t index) const { return {DrawKey(seed_, index), index}; }
  static bool ByKey(const Kept& a, const Kept& b) { return a.first < b.first; }

  const std::optional<int64_t> capacity_;
  const uint32_t seed_;
  std::vector<Kept> lines_;  // with a capacity a heap, the greatest key in front
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_RESERVOIR_H_
