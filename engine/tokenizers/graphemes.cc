#include "engine/tokenizers/graphemes.h"

#include <utf8proc.h>

#include <vector>

#include "engine/tokenizers/character_set.h"
#include "engine/tokenizers/unicode.h"
#include "engine/tokenizers/unicode_tables.h"

namespace kprune {
namespace {

// Marks that have come since utf8proc's Unicode; all that are known extend clusters.
bool IsNewMark(char32_t c) {
  static const CharacterSet marks = [] {
    std::vector<CodeRange> ranges;
    for (const CategoryRange& range : kNewCategories) {
      if (range.category[0] == 'M') ranges.push_back({range.first, range.last});
    }
    return CharacterSet(ranges);
  }();
  return marks.Contains(c);
}
constexpr char32_t kKnownMark = 0x300;

}  // namespace

size_t EndOfGrapheme(std::string_view text, size_t at) {
  const auto is_ascii = [&](size_t place) { return static_cast<unsigned char>(text[place]) < 0x80; };
  if (is_ascii(at) && (at + 1 == text.size() || (is_ascii(at + 1) && text[at] != '\r'))) return at + 1;
  utf8proc_int32_t state = 0;
  char32_t previous = NextCharacter(text, at);
  while (at < text.size()) {
    size_t after = at;
    char32_t next = NextCharacter(text, after);
    if (IsNewMark(next)) next = kKnownMark;
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous),
                                         static_cast<utf8proc_int32_t>(next), &state)) {
      break;
    }
    previous = next;
    at = after;
  }
  return at;
}

}  // namespace kprune
