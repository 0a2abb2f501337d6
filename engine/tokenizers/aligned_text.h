// A text on its way to tokens, and which characters of the text as it came each of its bytes stands for.
// Source: the alignments of Hugging Face's NormalizedString, which are kept here character by character.
#ifndef KPRUNE_ENGINE_TOKENIZERS_ALIGNED_TEXT_H_
#define KPRUNE_ENGINE_TOKENIZERS_ALIGNED_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "engine/tokenizers/text_span.h"

namespace kprune {

// A character of a changed text. `change` says what happened to the text before: 0, the character stands for
// the next one; 1, it was put in after the one before; -n, it stands for the next one, and n more are gone.
struct CharacterChange {
  char32_t character = 0;
  int32_t change = 0;
};

// Bytes begin .. end - 1 of a text.
struct ByteRange {
  size_t begin = 0;
  size_t end = 0;

  size_t size() const { return end - begin; }
};

// Always valid UTF-8. Without alignment it is a string, and costs no more. Not thread-safe.
class AlignedText {
 public:
  // `text` is valid UTF-8. `aligned`: origins are kept.
  AlignedText(std::string text, bool aligned);

  // Empty, kept aligned if `model` is, with room for a text of its size.
  static AlignedText Like(const AlignedText& model);

  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  size_t size() const { return text_.size(); }
  bool aligned() const { return aligned_; }
  std::string_view View(ByteRange range) const {
    return std::string_view(text_).substr(range.begin, range.size());
  }

  // The characters of the original that a range stands for. Needs alignment.
  TextSpan Origin(ByteRange range) const;

  // Bytes of `source` with their origins. Bytes of one character have the same origin.
  void Append(const AlignedText& source, ByteRange range);
  // Text in place of bytes of `source`, with the origin of the byte at `at` there.
  void Append(std::string_view text, const AlignedText& source, size_t at);
  // Text put in before the byte at `at` of `source`, with the origin of the byte before.
  void AppendInserted(std::string_view text, const AlignedText& source, size_t at);

  // Applies changes to the whole text, of which `removed_first` characters are gone at the beginning.
  void Transform(absl::Span<const CharacterChange> changes, size_t removed_first);
  // Replaces the text by one of the same alignment, byte by byte. `text` has the same size.
  void SetBytes(std::string text) { text_ = std::move(text); }

 private:
  AlignedText() = default;
  void AppendOrigins(size_t count, TextSpan origin) { origins_.insert(origins_.end(), count, origin); }

  bool aligned_ = false;
  std::string text_;
  std::vector<TextSpan> origins_;  // of every byte; empty where the text is not aligned
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_ALIGNED_TEXT_H_
