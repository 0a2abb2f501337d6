// Finds the entries of a dictionary that a text begins with.
#ifndef KPRUNE_ENGINE_TOKENIZERS_BYTE_TRIE_H_
#define KPRUNE_ENGINE_TOKENIZERS_BYTE_TRIE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kprune {

// Nodes lie in one array, the children of each beside each other and sorted. Thread-safe: immutable.
class ByteTrie {
 public:
  // Entries and their values, none negative; of equal entries one counts. Empty ones are never found.
  explicit ByteTrie(std::vector<std::pair<std::string_view, int32_t>> entries);

  // Calls visit(length, value) for every entry that `text` begins with, the shortest first.
  template <typename Visit>
  void ForEachPrefix(std::string_view text, Visit visit) const {
    if (text.empty()) return;
    int32_t node = roots_[static_cast<unsigned char>(text[0])];
    for (size_t length = 1; node >= 0; ++length) {
      if (nodes_[node].value >= 0) visit(length, nodes_[node].value);
      if (length == text.size()) return;
      node = Child(nodes_[node], text[length]);
    }
  }

  // The longest entry that `text` begins with; length 0 where there is none.
  struct Match {
    size_t length = 0;
    int32_t value = 0;
  };
  Match Longest(std::string_view text) const {
    Match longest;
    ForEachPrefix(text, [&](size_t length, int32_t value) { longest = {length, value}; });
    return longest;
  }

 private:
  struct Node {
    int32_t first_child = 0;
    int32_t value = -1;
    uint16_t children = 0;
    char label = 0;
  };

  int32_t Child(const Node& node, char label) const {
    for (int32_t child = node.first_child; child < node.first_child + node.children; ++child) {
      if (nodes_[child].label == label) return child;
    }
    return -1;
  }

  std::array<int32_t, 256> roots_;
  std::vector<Node> nodes_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_BYTE_TRIE_H_
