// How a normalised text is cut into words: the "pre_tokenizer" of tokenizer.json.
#ifndef KPRUNE_ENGINE_TOKENIZERS_PRE_TOKENIZER_H_
#define KPRUNE_ENGINE_TOKENIZERS_PRE_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/tokenizers/aligned_text.h"
#include "engine/tokenizers/matches.h"

namespace kprune {

// A text and the words that it is cut into, from left to right. Some are tokens already.
struct WordList {
  struct Word {
    ByteRange range;
    int32_t token = kNoToken;
  };
  static constexpr int32_t kNoToken = -1;

  AlignedText text;
  std::vector<Word> words;
};

// Thread-safe: immutable.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;

  // Cuts every word that is no token yet. Empty words are dropped.
  virtual void Split(WordList& words) const = 0;

  // Whether Split looks at where words came from: the text must be aligned.
  virtual bool needs_alignment() const { return false; }
};

// One after the other.
class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> steps)
      : steps_(std::move(steps)) {}
  void Split(WordList& words) const override {
    for (const auto& step : steps_) step->Split(words);
  }
  bool needs_alignment() const override {
    for (const auto& step : steps_) {
      if (step->needs_alignment()) return true;
    }
    return false;
  }

 private:
  const std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

// Replaces every word that is no token by what `find` (a text and the parts to add to) and `behavior` make of
// it.
template <typename Find>
void SplitWords(WordList& list, SplitBehavior behavior, Find find) {
  std::vector<WordList::Word> words;
  words.reserve(list.words.size());
  std::vector<MatchedPart> parts;
  for (const WordList::Word& word : list.words) {
    if (word.token != WordList::kNoToken) {
      words.push_back(word);
      continue;
    }
    parts.clear();
    find(list.text.View(word.range), parts);
    ApplyBehavior(behavior, parts);
    for (const MatchedPart& part : parts) {
      if (part.range.size() > 0)
        words.push_back({{word.range.begin + part.range.begin, word.range.begin + part.range.end}});
    }
  }
  list.words = std::move(words);
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_PRE_TOKENIZER_H_
