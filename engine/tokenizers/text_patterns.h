// Pre-tokenisers and normalisers that look for patterns.
#ifndef KPRUNE_ENGINE_TOKENIZERS_TEXT_PATTERNS_H_
#define KPRUNE_ENGINE_TOKENIZERS_TEXT_PATTERNS_H_

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/tokenizers/matches.h"
#include "engine/tokenizers/normalizer.h"
#include "engine/tokenizers/pre_tokenizer.h"
#include "engine/tokenizers/regex.h"

namespace kprune {

// A text that is looked for as it stands, or a regular expression. Thread-safe: immutable.
class TextPattern {
 public:
  explicit TextPattern(std::string text) : pattern_(std::move(text)) {}
  explicit TextPattern(Regex regex) : pattern_(std::move(regex)) {}

  // Cuts `text` into matches and what is between them.
  void FindAll(std::string_view text, std::vector<MatchedPart>& parts) const;

 private:
  std::variant<std::string, Regex> pattern_;
};

// "Split". `invert`: what is between matches is the match.
class PatternSplit : public PreTokenizer {
 public:
  PatternSplit(TextPattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void Split(WordList& words) const override;

 private:
  const TextPattern pattern_;
  const SplitBehavior behavior_;
  const bool invert_;
};

// "Replace": every match by `content`.
class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(TextPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void Normalize(AlignedText& text) const override;

 private:
  const TextPattern pattern_;
  const std::string content_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_TEXT_PATTERNS_H_
