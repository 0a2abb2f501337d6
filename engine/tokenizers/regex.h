// Regular expressions of tokenizer.json. Hugging Face's tokenizers run them with Oniguruma, and so do we: its
// syntax and its way of matching are the format.
#ifndef KPRUNE_ENGINE_TOKENIZERS_REGEX_H_
#define KPRUNE_ENGINE_TOKENIZERS_REGEX_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenizers/matches.h"

struct re_pattern_buffer;

namespace kprune {

// Thread-safe: immutable.
class Regex {
 public:
  // INVALID_ARGUMENT where `pattern` is no regular expression, UNIMPLEMENTED where it has a part of which
  // Oniguruma's versions disagree; `what` begins the message.
  static absl::StatusOr<Regex> Compile(std::string_view pattern, std::string_view what);

  // Cuts `text` into matches and what is between them.
  void FindAll(std::string_view text, std::vector<MatchedPart>& parts) const;

 private:
  struct Free {
    void operator()(re_pattern_buffer* regex) const;
  };

  explicit Regex(re_pattern_buffer* regex) : regex_(regex) {}

  std::unique_ptr<re_pattern_buffer, Free> regex_;
};

// The pattern with every class of characters ("\p{L}", "\P{N}", "\w", "\d") widened by the characters that
// have come into it since this Oniguruma's Unicode. UNIMPLEMENTED for "\b" and POSIX brackets, whose meaning
// has changed. Exposed for tests.
absl::StatusOr<std::string> WithNewCharacters(std::string_view pattern, std::string_view what);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_REGEX_H_
