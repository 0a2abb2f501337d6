// Tokens and their ids.
#ifndef KPRUNE_ENGINE_TOKENIZERS_VOCABULARY_H_
#define KPRUNE_ENGINE_TOKENIZERS_VOCABULARY_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace kprune {

// Ids are not above this; no embedding table is larger.
inline constexpr int64_t kMaxTokenId = 16'777'215;

// Not thread-safe while it is filled; immutable afterwards.
class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  // Of a token that is there already, the last id counts.
  void Set(std::string token, int32_t id) {
    end_id_ = std::max(end_id_, id + 1);
    if (const auto found = ids_.find(token); found != ids_.end()) {
      found->second = id;
      return;
    }
    tokens_.push_back(std::move(token));
    ids_.emplace(tokens_.back(), id);
  }

  std::optional<int32_t> Find(std::string_view token) const {
    const auto found = ids_.find(absl::string_view(token.data(), token.size()));
    if (found == ids_.end()) return std::nullopt;
    return found->second;
  }

  // Of each token and its id, in no order.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [token, id] : ids_) visit(std::string_view(token.data(), token.size()), id);
  }

  size_t size() const { return ids_.size(); }
  // One more than the greatest id.
  int32_t end_id() const { return end_id_; }

 private:
  std::deque<std::string> tokens_;  // a deque: the map's keys are views of them
  absl::flat_hash_map<absl::string_view, int32_t> ids_;
  int32_t end_id_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_VOCABULARY_H_
