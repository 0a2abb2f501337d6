// Tokens that are matched in the text itself, before it is split into words: "[MASK]", "<user>".
#ifndef KPRUNE_ENGINE_DATA_ADDED_TOKENS_H_
#define KPRUNE_ENGINE_DATA_ADDED_TOKENS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kprune {

// As in tokenizer.json's added_tokens.
struct AddedToken {
  int32_t id = 0;
  std::u32string content;
  // Only where no word character touches it.
  bool single_word = false;
  // Takes the white space before, after it along.
  bool lstrip = false;
  bool rstrip = false;
  // Matched in the normalised text instead of the text as it came.
  bool normalized = false;
};

// A piece of text: a token, or text that is still to be tokenised.
struct TextPiece {
  std::optional<int32_t> token;
  std::u32string_view text;
};

// Finds tokens in a text, from the left, the longest first where several begin at one place. Thread-safe:
// immutable.
class AddedTokenMatcher {
 public:
  // Tokens without content never match.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  // The views point into `text`; together they cover it, up to white space that tokens took along.
  std::vector<TextPiece> Split(std::u32string_view text) const;

 private:
  const AddedToken* MatchAt(std::u32string_view text, size_t at) const;

  // Constant after construction: by first character, the longest first.
  std::map<char32_t, std::vector<AddedToken>> by_first_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_ADDED_TOKENS_H_
