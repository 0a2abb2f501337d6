#include "engine/tokenizers/byte_trie.h"

#include <algorithm>

namespace kprune {
namespace {

// Entries first .. last - 1 share their first `depth` bytes, which are those of one node.
struct Range {
  size_t first;
  size_t last;
  size_t depth;
};

}  // namespace

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, int32_t>> entries) {
  std::sort(entries.begin(), entries.end());
  entries.erase(std::unique(entries.begin(), entries.end(),
                            [](const auto& a, const auto& b) { return a.first == b.first; }),
                entries.end());
  std::vector<Range> ranges;  // of each node
  // The nodes below a range, in order; returns how many.
  const auto add_children = [&](Range parent) {
    size_t first = parent.first;
    while (first < parent.last && entries[first].first.size() == parent.depth) ++first;
    uint16_t count = 0;
    while (first < parent.last) {
      const char label = entries[first].first[parent.depth];
      size_t last = first;
      while (last < parent.last && entries[last].first[parent.depth] == label) ++last;
      const bool ends = entries[first].first.size() == parent.depth + 1;
      nodes_.push_back({0, ends ? entries[first].second : -1, 0, label});
      ranges.push_back({first, last, parent.depth + 1});
      ++count;
      first = last;
    }
    return count;
  };
  roots_.fill(-1);
  const int32_t roots = add_children({0, entries.size(), 0});
  for (int32_t root = 0; root < roots; ++root) roots_[static_cast<unsigned char>(nodes_[root].label)] = root;
  for (size_t node = 0; node < nodes_.size(); ++node) {
    const auto first_child = static_cast<int32_t>(nodes_.size());
    const uint16_t count = add_children(ranges[node]);
    nodes_[node].first_child = first_child;
    nodes_[node].children = count;
  }
}

}  // namespace kprune
