#include "engine/tokenizers/byte_level_split.h"

#include <utf8proc.h>

#include <array>

#include "engine/tokenizers/byte_level.h"
#include "engine/tokenizers/character_set.h"
#include "engine/tokenizers/unicode.h"
#include "engine/tokenizers/unicode_tables.h"

namespace kprune {
namespace {

enum class Kind { kLetter, kNumber, kSpace, kOther };

// The characters of a group of categories in regular expressions.
CharacterSet Group(char group, utf8proc_category_t first, utf8proc_category_t last) {
  std::vector<CodeRange> fresh;
  for (const CategoryRange& range : kNewCategories) {
    if (range.category[0] == group) fresh.push_back({range.first, range.last});
  }
  return CharacterSet([first, last, added = CharacterSet(fresh)](char32_t c) {
    const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    return (category >= first && category <= last) || added.Contains(c);
  });
}

Kind MultibyteKindOf(char32_t c) {
  static const CharacterSet letters = Group('L', UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
  static const CharacterSet numbers = Group('N', UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
  if (letters.Contains(c)) return Kind::kLetter;
  if (numbers.Contains(c)) return Kind::kNumber;
  return IsWhitespace(c) ? Kind::kSpace : Kind::kOther;
}

Kind KindOf(char32_t c) {
  static const std::array<Kind, 128> ascii = [] {
    std::array<Kind, 128> kinds;
    for (char32_t code = 0; code < kinds.size(); ++code) kinds[code] = MultibyteKindOf(code);
    return kinds;
  }();
  return c < ascii.size() ? ascii[c] : MultibyteKindOf(c);
}

// The end of the run of one kind that begins at `at`.
size_t EndOfRun(std::string_view text, size_t at, Kind kind) {
  while (at < text.size()) {
    size_t next = at;
    if (KindOf(NextCharacter(text, next)) != kind) break;
    at = next;
  }
  return at;
}

// The size of "'s" and its like at `at`; 0 where there is none.
size_t ContractionAt(std::string_view text, size_t at) {
  if (text[at] != '\'' || at + 1 == text.size()) return 0;
  const char next = text[at + 1];
  if (next == 's' || next == 't' || next == 'm' || next == 'd') return 2;
  const std::string_view two = text.substr(at + 1, 2);
  return two == "re" || two == "ve" || two == "ll" ? 3 : 0;
}

// White space goes up to the last of it before a word, which has it as its own if it is a blank.
size_t EndOfSpace(std::string_view text, size_t begin) {
  const size_t end = EndOfRun(text, begin, Kind::kSpace);
  if (end == text.size()) return end;
  size_t last = end - 1;
  while (!IsLeadByte(text[last])) --last;
  return last > begin ? last : end;
}

size_t EndOfWord(std::string_view text, size_t begin) {
  if (const size_t contraction = ContractionAt(text, begin); contraction > 0) return begin + contraction;
  size_t after_blank = begin + (text[begin] == ' ' ? 1 : 0);
  if (after_blank == text.size()) return after_blank;
  size_t next = after_blank;
  const Kind kind = KindOf(NextCharacter(text, next));
  return kind == Kind::kSpace ? EndOfSpace(text, begin) : EndOfRun(text, next, kind);
}

}  // namespace

void FindGpt2Words(std::string_view text, std::vector<MatchedPart>& parts) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = EndOfWord(text, begin);
    parts.push_back({{begin, end}, true});
    begin = end;
  }
}

void ByteLevelSplit::Split(WordList& list) const {
  WordList result{AlignedText::Like(list.text), {}};
  result.words.reserve(list.words.size() + list.text.size() / 4);
  std::vector<MatchedPart> parts;
  const auto end_of_text = [&] { return result.text.size(); };
  AlignedText prefixed = AlignedText::Like(list.text);
  for (const WordList::Word& word : list.words) {
    const size_t begin = end_of_text();
    if (word.token != WordList::kNoToken) {
      result.text.Append(list.text, word.range);
      result.words.push_back({{begin, end_of_text()}, word.token});
      continue;
    }
    const AlignedText* text = &list.text;
    ByteRange range = word.range;
    if (add_prefix_space_ && text->text()[range.begin] != ' ') {
      prefixed = AlignedText::Like(list.text);
      prefixed.Append(" ", *text, range.begin);
      prefixed.Append(*text, range);
      text = &prefixed;
      range = {0, prefixed.size()};
    }
    parts.clear();
    if (split_) {
      FindGpt2Words(text->View(range), parts);
    } else {
      parts.push_back({{0, range.size()}, true});
    }
    for (const MatchedPart& part : parts) {
      const size_t word_begin = end_of_text();
      AppendByteLevel(*text, {range.begin + part.range.begin, range.begin + part.range.end}, result.text);
      result.words.push_back({{word_begin, end_of_text()}});
    }
  }
  list = std::move(result);
}

}  // namespace kprune
