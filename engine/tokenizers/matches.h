// Patterns found in a text, and the ways in which a text is cut at them. Source: the Pattern and
// SplitDelimiterBehavior of Hugging Face's tokenizers.
#ifndef KPRUNE_ENGINE_TOKENIZERS_MATCHES_H_
#define KPRUNE_ENGINE_TOKENIZERS_MATCHES_H_

#include <string_view>
#include <vector>

#include "engine/tokenizers/aligned_text.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {

// A part of a text: one match, or what is between two.
struct MatchedPart {
  ByteRange range;
  bool match = false;
};

enum class SplitBehavior { kRemoved, kIsolated, kContiguous, kMergedWithPrevious, kMergedWithNext };

// What a text, cut into `parts` that cover it, becomes; in place. Thread-safe: pure, as are the others.
void ApplyBehavior(SplitBehavior behavior, std::vector<MatchedPart>& parts);

// Collects matches that are found from left to right into parts that cover the text.
class MatchCollector {
 public:
  MatchCollector(std::string_view text, std::vector<MatchedPart>& parts) : text_(text), parts_(parts) {}
  void Add(size_t begin, size_t end) {
    if (done_ < begin) parts_.push_back({{done_, begin}, false});
    parts_.push_back({{begin, end}, true});
    done_ = end;
  }
  void Finish() {
    if (done_ < text_.size()) parts_.push_back({{done_, text_.size()}, false});
  }

 private:
  const std::string_view text_;
  std::vector<MatchedPart>& parts_;
  size_t done_ = 0;
};

// Every `wanted`, from the left; none where it is empty.
inline void FindText(std::string_view text, std::string_view wanted, std::vector<MatchedPart>& parts) {
  MatchCollector collector(text, parts);
  for (size_t at = text.find(wanted); at != std::string_view::npos && !wanted.empty();
       at = text.find(wanted, at + wanted.size()))
    collector.Add(at, at + wanted.size());
  collector.Finish();
}

// Every character for which `matches` is true.
template <typename Predicate>
void FindCharacters(std::string_view text, Predicate matches, std::vector<MatchedPart>& parts) {
  MatchCollector collector(text, parts);
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (matches(NextCharacter(text, at))) collector.Add(begin, at);
  }
  collector.Finish();
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_MATCHES_H_
