#include "engine/tokenizers/text_patterns.h"

#include <algorithm>

namespace kprune {

void TextPattern::FindAll(std::string_view text, std::vector<MatchedPart>& parts) const {
  if (const auto* regex = std::get_if<Regex>(&pattern_)) return regex->FindAll(text, parts);
  FindText(text, std::get<std::string>(pattern_), parts);
}

void PatternSplit::Split(WordList& words) const {
  SplitWords(words, behavior_, [this](std::string_view text, std::vector<MatchedPart>& parts) {
    pattern_.FindAll(text, parts);
    for (MatchedPart& part : parts) part.match = part.match != invert_;
  });
}

void ReplaceNormalizer::Normalize(AlignedText& text) const {
  std::vector<MatchedPart> parts;
  pattern_.FindAll(text.text(), parts);
  const bool found =
      std::any_of(parts.begin(), parts.end(), [](const MatchedPart& part) { return part.match; });
  if (!found) return;
  AlignedText replaced = AlignedText::Like(text);
  for (const MatchedPart& part : parts) {
    if (part.match) {
      replaced.AppendInserted(content_, text, part.range.end);
    } else {
      replaced.Append(text, part.range);
    }
  }
  text = std::move(replaced);
}

}  // namespace kprune
