// Text to token ids, exactly as the model's Hugging Face tokenizer does it.
#ifndef KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_H_
#define KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/tokenizers/text_span.h"

namespace kprune {

// One sequence, special tokens included, without padding. Both vectors have the same length.
struct Encoding {
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;
  int content_tokens = 0;  // tokens of the texts, after truncation; 0 means that only special tokens are left
  // The tokens begin .. end - 1 of the first text, and of the second.
  struct Part {
    int begin = 0;
    int end = 0;
  };
  Part first, second;
};

// Tokens of one text alone, without special tokens around them, and the characters that each stands for.
struct TextTokens {
  std::vector<int32_t> ids;
  std::vector<TextSpan> spans;
};

// What gives way where a text or a pair is too long; transformers' "truncation".
enum class Truncation {
  kLongestFirst,  // a text alone; of a pair the longer one, then both
  kOnlyFirst,
  kOnlySecond,
};

// "longest_first", "only_first" or "only_second"; else the first of these.
inline Truncation TruncationFromName(std::string_view name) {
  if (name == "only_first") return Truncation::kOnlyFirst;
  return name == "only_second" ? Truncation::kOnlySecond : Truncation::kLongestFirst;
}

// Thread-safe: immutable after construction.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Encodes a text, or a pair. Broken UTF-8 becomes U+FFFD as in Python's errors="replace". Longer sequences
  // are truncated to `max_length` tokens, special tokens included, on the side that truncates_left says; the
  // truncation and padding blocks stored in tokenizer.json are ignored. They stay longer where kOnlyFirst or
  // kOnlySecond would leave no token of that text (an error of the library). `max_length` is at least
  // special_tokens(pair given), or 0 for no limit.
  virtual Encoding Encode(std::string_view text, std::optional<std::string_view> pair, int max_length,
                          Truncation truncation = Truncation::kLongestFirst) const = 0;

  // A text of which sequences are to be made, and one sequence of such tokens: Encode without a limit is
  // Frame of EncodeText.
  virtual TextTokens EncodeText(std::string_view text) const = 0;
  virtual Encoding Frame(absl::Span<const int32_t> first,
                         std::optional<absl::Span<const int32_t>> second) const = 0;

  // How many special tokens Encode adds to one text or to a pair.
  virtual int special_tokens(bool pair) const = 0;

  // Whether longer sequences lose their beginning ("truncation_side" of tokenizer_config.json) and not their
  // end.
  virtual bool truncates_left() const = 0;

  // Whether a word gets the tokens that it has within a text from EncodeText of the word alone. Not those of
  // a RoBERTa tokenizer without "add_prefix_space", to which a blank belongs to the word behind it;
  // transformers refuses words then, too.
  virtual bool encodes_words() const = 0;

  // One more than the greatest id, added tokens included.
  virtual int32_t vocab_size() const = 0;

  // What stands for a token that is to be found; none where the tokenizer does not know of one.
  virtual std::optional<int32_t> mask_id() const = 0;

  // The id of a token as the vocabulary spells it ("[CLS]", "##ing"); none where it is not in the vocabulary.
  virtual std::optional<int32_t> Id(std::string_view token) const = 0;
};

// Loads the tokenizer of a model folder: tokenizer.json, or the files from which transformers would make one,
// vocab.txt, vocab.json with merges.txt, or a sentencepiece model; docs/tokenizers.md says what each may
// hold. NOT_FOUND: none of them is there. INVALID_ARGUMENT: broken files, naming file and field.
// UNIMPLEMENTED: a kind of tokenizer or component that is not supported, naming what was found and what is
// accepted.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::filesystem::path& folder);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_H_
