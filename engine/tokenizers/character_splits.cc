#include "engine/tokenizers/character_splits.h"

#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

template <typename Predicate>
void SplitAt(WordList& words, SplitBehavior behavior, Predicate matches) {
  SplitWords(words, behavior, [&](std::string_view text, std::vector<MatchedPart>& parts) {
    FindCharacters(text, matches, parts);
  });
}

// Runs of characters for which `kind` gives one number, each a match; 0 is dropped, -1 is a run of its own.
template <typename Kind>
void SplitRuns(WordList& words, Kind kind) {
  SplitWords(words, SplitBehavior::kIsolated, [&](std::string_view text, std::vector<MatchedPart>& parts) {
    int previous = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      const int own = kind(NextCharacter(text, at));
      if (own > 0 && own == previous) {
        parts.back().range.end = at;
      } else if (own != 0) {
        parts.push_back({{begin, at}, true});
      }
      previous = own;
    }
  });
}

}  // namespace

void BertSplit::Split(WordList& words) const {
  SplitRuns(words, [](char32_t c) { return IsWhitespace(c) ? 0 : IsPunctuation(c) ? -1 : 1; });
}

void WordSplit::Split(WordList& words) const {
  SplitRuns(words, [](char32_t c) { return IsWordCharacter(c) ? 1 : IsWhitespace(c) ? 0 : 2; });
}

void WhitespaceSplit::Split(WordList& words) const { SplitAt(words, SplitBehavior::kRemoved, IsWhitespace); }

void PunctuationSplit::Split(WordList& words) const { SplitAt(words, behavior_, IsPunctuation); }

void DigitSplit::Split(WordList& words) const {
  SplitAt(words, individual_ ? SplitBehavior::kIsolated : SplitBehavior::kContiguous, IsNumeric);
}

void DelimiterSplit::Split(WordList& words) const {
  SplitAt(words, SplitBehavior::kRemoved, [this](char32_t c) { return c == delimiter_; });
}

}  // namespace kprune
