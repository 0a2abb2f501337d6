// Pre-tokenisers that cut where the kind of character says so.
#ifndef KPRUNE_ENGINE_TOKENIZERS_CHARACTER_SPLITS_H_
#define KPRUNE_ENGINE_TOKENIZERS_CHARACTER_SPLITS_H_

#include "engine/tokenizers/pre_tokenizer.h"

namespace kprune {

// At white space, which is dropped, and around every punctuation character: "BertPreTokenizer".
class BertSplit : public PreTokenizer {
 public:
  void Split(WordList& words) const override;
};

// Into runs of word characters (\w) and of characters that are neither that nor white space: "Whitespace".
class WordSplit : public PreTokenizer {
 public:
  void Split(WordList& words) const override;
};

// At white space, which is dropped: "WhitespaceSplit".
class WhitespaceSplit : public PreTokenizer {
 public:
  void Split(WordList& words) const override;
};

// "Punctuation".
class PunctuationSplit : public PreTokenizer {
 public:
  explicit PunctuationSplit(SplitBehavior behavior) : behavior_(behavior) {}
  void Split(WordList& words) const override;

 private:
  const SplitBehavior behavior_;
};

// Digits one by one, or numbers, apart from the rest: "Digits".
class DigitSplit : public PreTokenizer {
 public:
  explicit DigitSplit(bool individual) : individual_(individual) {}
  void Split(WordList& words) const override;

 private:
  const bool individual_;
};

// At one character, which is dropped: "CharDelimiterSplit".
class DelimiterSplit : public PreTokenizer {
 public:
  explicit DelimiterSplit(char32_t delimiter) : delimiter_(delimiter) {}
  void Split(WordList& words) const override;

 private:
  const char32_t delimiter_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_CHARACTER_SPLITS_H_
