// Changes to a text that look at one character at a time.
#ifndef KPRUNE_ENGINE_TOKENIZERS_CHARACTER_EDITS_H_
#define KPRUNE_ENGINE_TOKENIZERS_CHARACTER_EDITS_H_

#include <string>
#include <utility>

#include "engine/tokenizers/aligned_text.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {

// Removes the characters for which `is_removed` is true.
template <typename Predicate>
void RemoveCharacters(AlignedText& text, Predicate is_removed) {
  AlignedText kept = AlignedText::Like(text);
  size_t begin = 0;  // of what is kept and not yet copied
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    if (!is_removed(NextCharacter(text.text(), at))) continue;
    kept.Append(text, {begin, start});
    begin = at;
  }
  if (begin == 0) return;
  kept.Append(text, {begin, text.size()});
  text = std::move(kept);
}

// Replaces characters by what `map` makes of them.
template <typename Function>
void MapCharacters(AlignedText& text, Function map) {
  AlignedText mapped = AlignedText::Like(text);
  std::string piece;
  size_t begin = 0;  // of what stays as it is and is not yet copied
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t c = NextCharacter(text.text(), at), replacement = map(c);
    if (c == replacement) continue;
    mapped.Append(text, {begin, start});
    piece.clear();
    AppendUtf8(replacement, piece);
    mapped.Append(piece, text, start);
    begin = at;
  }
  if (begin == 0) return;
  mapped.Append(text, {begin, text.size()});
  text = std::move(mapped);
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_CHARACTER_EDITS_H_
