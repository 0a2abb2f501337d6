// A set of characters that is asked about every character of a text.
#ifndef KPRUNE_ENGINE_TOKENIZERS_CHARACTER_SET_H_
#define KPRUNE_ENGINE_TOKENIZERS_CHARACTER_SET_H_

#include <algorithm>
#include <array>
#include <bitset>
#include <concepts>
#include <vector>

#include "absl/types/span.h"

namespace kprune {

// Both ends included.
struct CodeRange {
  char32_t first = 0;
  char32_t last = 0;
};

// Thread-safe: immutable after construction.
class CharacterSet {
 public:
  explicit CharacterSet(absl::Span<const CodeRange> ranges) {
    for (const CodeRange& range : ranges) Add(range.first, range.last);
  }
  // The characters for which `holds` is true.
  template <typename Predicate>
  requires std::predicate<Predicate, char32_t>
  explicit CharacterSet(Predicate holds) {
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (holds(c)) Add(c, c);
    }
  }

  bool Contains(char32_t c) const {
    if (c < kDirect) return low_[c];
    const auto after =
        std::upper_bound(high_.begin(), high_.end(), c,
                         [](char32_t value, const CodeRange& range) { return value < range.first; });
    return after != high_.begin() && c <= (after - 1)->last;
  }

 private:
  static constexpr char32_t kDirect = 0x10000;

  // Behind all that were added before.
  void Add(char32_t first, char32_t last) {
    for (; first <= last && first < kDirect; ++first) low_.set(first);
    if (first > last) return;
    if (!high_.empty() && high_.back().last + 1 == first) {
      high_.back().last = last;
    } else {
      high_.push_back({first, last});
    }
  }

  std::bitset<kDirect> low_;
  std::vector<CodeRange> high_;  // sorted
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_CHARACTER_SET_H_
