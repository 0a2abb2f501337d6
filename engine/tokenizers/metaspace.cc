#include "engine/tokenizers/metaspace.h"

namespace kprune {

bool MetaspaceSplit::Prepends(const AlignedText& text, ByteRange word) const {
  const std::string_view view = text.View(word);
  if (view[0] == ' ' || view.substr(0, replacement_.size()) == replacement_) return false;
  return prepend_ == PrependScheme::kAlways ||
         (prepend_ == PrependScheme::kFirst && text.Origin(word).begin == 0);
}

void MetaspaceSplit::AppendWord(const AlignedText& text, ByteRange word, AlignedText& result) const {
  if (Prepends(text, word)) result.Append(replacement_, text, word.begin);
  const std::string_view before = std::string_view(text.text()).substr(0, word.end);
  size_t done = word.begin;
  for (size_t at = before.find(' ', done); at < word.end; at = before.find(' ', done)) {
    result.Append(text, {done, at});
    result.Append(replacement_, text, at);
    done = at + 1;
  }
  result.Append(text, {done, word.end});
}

void MetaspaceSplit::Split(WordList& list) const {
  WordList result{AlignedText::Like(list.text), {}};
  result.words.reserve(list.words.size());
  for (const WordList::Word& word : list.words) {
    const size_t begin = result.text.size();
    if (word.token == WordList::kNoToken) {
      AppendWord(list.text, word.range, result.text);
    } else {
      result.text.Append(list.text, word.range);
    }
    result.words.push_back({{begin, result.text.size()}, word.token});
  }
  list = std::move(result);
  if (!split_) return;
  SplitWords(list, SplitBehavior::kMergedWithNext,
             [this](std::string_view text, std::vector<MatchedPart>& parts) {
               FindText(text, replacement_, parts);
             });
}

}  // namespace kprune
