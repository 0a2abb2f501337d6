#include "engine/tokenizers/normal_forms.h"

#include <utf8proc.h>

#include <algorithm>

#include "engine/tokenizers/character_set.h"
#include "engine/tokenizers/unicode.h"
#include "engine/tokenizers/unicode_tables.h"

namespace kprune {
namespace {

// Characters below neither decompose canonically nor combine nor compose with one another.
constexpr char32_t kFirstDecomposed = 0xC0;
constexpr char32_t kFirstCombining = 0x300;
constexpr char32_t kFirstCompatible = 0xA0;
// The Hangul vowel from which trailing consonants are counted. It is none, but utf8proc composes it away.
constexpr char32_t kBeforeTrailingConsonants = 0x11A7;

int CombiningClass(char32_t c) {
  static const CharacterSet none(kNoClassRanges);
  if (c < kFirstCombining || none.Contains(c)) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

void AppendDecomposed(char32_t c, bool compatible, std::vector<CharacterChange>& changes) {
  static const CharacterSet undecomposed(kUndecomposedRanges);
  constexpr int kLongest = 32;  // the longest decomposition has 18 characters
  utf8proc_int32_t parts[kLongest];
  utf8proc_ssize_t count = 0;
  if (c >= (compatible ? kFirstCompatible : kFirstDecomposed) && !undecomposed.Contains(c)) {
    int boundary = 0;
    const int options = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
    count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, kLongest,
                                    static_cast<utf8proc_option_t>(options), &boundary);
  }
  if (count < 1) changes.push_back({c, 0});
  for (utf8proc_ssize_t i = 0; i < count; ++i) changes.push_back({static_cast<char32_t>(parts[i]), i > 0});
}

// Canonical order: each run of combining characters sorted by class.
void SortMarks(std::vector<CharacterChange>& changes) {
  const auto starts = [](const CharacterChange& change) { return CombiningClass(change.character) == 0; };
  for (auto at = changes.begin(); at != changes.end();) {
    const auto run = std::find_if_not(at, changes.end(), starts);
    at = std::find_if(run, changes.end(), starts);
    std::stable_sort(run, at, [](const CharacterChange& a, const CharacterChange& b) {
      return CombiningClass(a.character) < CombiningClass(b.character);
    });
  }
}

// The character that two compose to; 0 where they do not.
char32_t Composed(char32_t first, char32_t second) {
  if (second < kFirstCombining || second == kBeforeTrailingConsonants) return 0;
  utf8proc_int32_t both[] = {static_cast<utf8proc_int32_t>(first), static_cast<utf8proc_int32_t>(second)};
  constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  static const CharacterSet undecomposed(kUndecomposedRanges);
  const bool one = utf8proc_normalize_utf32(both, 2, kOptions) == 1;
  const auto composed = static_cast<char32_t>(both[0]);
  return one && !undecomposed.Contains(composed) ? composed : 0;
}

// A composed character stands for all that it is made of.
std::vector<CharacterChange> Compose(const std::vector<CharacterChange>& parts) {
  std::vector<CharacterChange> changes;
  changes.reserve(parts.size());
  size_t starter = 0;  // of `changes`, what marks compose with
  bool has_starter = false;
  int last_class = -1;  // of the characters behind the starter; -1: there is none
  for (const CharacterChange& part : parts) {
    const int own_class = CombiningClass(part.character);
    if (has_starter && last_class < own_class) {
      if (const char32_t composed = Composed(changes[starter].character, part.character); composed != 0) {
        changes[starter] = {composed, changes[starter].change + part.change - 1};
        continue;
      }
    }
    if (own_class == 0) {
      starter = changes.size();
      has_starter = true;
      last_class = -1;
    } else {
      last_class = own_class;
    }
    changes.push_back(part);
  }
  return changes;
}

}  // namespace

std::vector<CharacterChange> Normalized(std::string_view text, NormalForm form) {
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  std::vector<CharacterChange> changes;
  changes.reserve(text.size());
  for (size_t at = 0; at < text.size();) AppendDecomposed(NextCharacter(text, at), compatible, changes);
  SortMarks(changes);
  const bool composes = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  return composes ? Compose(changes) : changes;
}

}  // namespace kprune
