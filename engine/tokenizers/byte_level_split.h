// GPT-2's pre-tokeniser: words with the blank before them, every byte written as a printable character.
#ifndef KPRUNE_ENGINE_TOKENIZERS_BYTE_LEVEL_SPLIT_H_
#define KPRUNE_ENGINE_TOKENIZERS_BYTE_LEVEL_SPLIT_H_

#include <string_view>
#include <vector>

#include "engine/tokenizers/matches.h"
#include "engine/tokenizers/pre_tokenizer.h"

namespace kprune {

// "ByteLevel".
class ByteLevelSplit : public PreTokenizer {
 public:
  // `add_prefix_space`: a blank is put before text that does not begin with one. `split`: cut into words by
  // GPT-2's pattern ("use_regex").
  ByteLevelSplit(bool add_prefix_space, bool split) : add_prefix_space_(add_prefix_space), split_(split) {}
  void Split(WordList& words) const override;

 private:
  const bool add_prefix_space_;
  const bool split_;
};

// GPT-2's pattern, which every character of a text is part of a match of:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// Written out: regular expressions take most of the time otherwise. Thread-safe: pure.
void FindGpt2Words(std::string_view text, std::vector<MatchedPart>& parts);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_BYTE_LEVEL_SPLIT_H_
