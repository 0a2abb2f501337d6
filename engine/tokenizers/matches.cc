#include "engine/tokenizers/matches.h"

#include <algorithm>

namespace kprune {
namespace {

// Neighbours of one kind become one.
void MergeKinds(std::vector<MatchedPart>& parts) {
  std::vector<MatchedPart> merged;
  bool previous_match = false;
  for (const MatchedPart& part : parts) {
    if (part.match == previous_match && !merged.empty()) {
      merged.back().range.end = part.range.end;
    } else {
      merged.push_back(part);
    }
    previous_match = part.match;
  }
  parts = std::move(merged);
}

// A match joins what is beside it, unless that is a match that has joined already.
template <typename Iterator, typename Join>
std::vector<MatchedPart> MergeMatches(Iterator begin, Iterator end, Join join) {
  std::vector<MatchedPart> merged;
  bool previous_match = false;
  for (Iterator part = begin; part != end; ++part) {
    if (part->match && !previous_match && !merged.empty()) {
      join(merged.back().range, part->range);
    } else {
      merged.push_back(*part);
    }
    previous_match = part->match;
  }
  return merged;
}

}  // namespace

void ApplyBehavior(SplitBehavior behavior, std::vector<MatchedPart>& parts) {
  switch (behavior) {
    case SplitBehavior::kRemoved:
      std::erase_if(parts, [](const MatchedPart& part) { return part.match; });
      break;
    case SplitBehavior::kIsolated:
      break;
    case SplitBehavior::kContiguous:
      MergeKinds(parts);
      break;
    case SplitBehavior::kMergedWithPrevious:
      parts = MergeMatches(parts.begin(), parts.end(),
                           [](ByteRange& before, ByteRange match) { before.end = match.end; });
      break;
    case SplitBehavior::kMergedWithNext:
      parts = MergeMatches(parts.rbegin(), parts.rend(),
                           [](ByteRange& after, ByteRange match) { after.begin = match.begin; });
      std::reverse(parts.begin(), parts.end());
      break;
  }
}

}  // namespace kprune
