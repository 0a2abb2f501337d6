// Tokens that are matched in the text itself, before it is split into words: "[MASK]", "<user>".
#ifndef KPRUNE_ENGINE_TOKENIZERS_ADDED_TOKENS_H_
#define KPRUNE_ENGINE_TOKENIZERS_ADDED_TOKENS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenizers/byte_trie.h"
#include "engine/tokenizers/pre_tokenizer.h"

namespace kprune {

// As in tokenizer.json's added_tokens.
struct AddedToken {
  int32_t id = 0;
  std::string content;
  // Only where no word character touches it.
  bool single_word = false;
  // Takes the white space before, after it along.
  bool lstrip = false;
  bool rstrip = false;
  // Matched in the normalised text instead of the text as it came.
  bool normalized = false;
  // Of several with the same content when matched, a special one counts.
  bool special = false;
};

// Finds tokens in a text, from the left, the longest first where several begin at one place. Thread-safe:
// immutable.
class AddedTokenMatcher {
 public:
  // Tokens without content never match.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  // Appends tokens, and the text between them, of `text` to `words`; ranges begin `offset` bytes further.
  // Together they cover it, up to white space that tokens took along.
  void Split(std::string_view text, size_t offset, std::vector<WordList::Word>& words) const;

 private:
  // Constant after construction.
  const std::vector<AddedToken> tokens_;
  const ByteTrie trie_;  // of places in tokens_
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_ADDED_TOKENS_H_
