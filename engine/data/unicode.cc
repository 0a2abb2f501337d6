#include "engine/data/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "engine/data/unicode_tables.h"

namespace kprune {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

template <size_t N>
bool InRanges(const std::array<CodeRange, N>& ranges, char32_t c) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), c,
                       [](char32_t value, const CodeRange& range) { return value < range.first; });
  return after != ranges.begin() && c <= (after - 1)->last;
}

// What may follow a lead byte: the range of the second byte (it excludes overlong forms and surrogates), and
// the length.
struct Lead {
  int length;
  unsigned char second_first;
  unsigned char second_last;
};

Lead LeadOf(unsigned char byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// Reads one character that starts at a non-ASCII byte; advances `at` past it, or past its maximal broken
// part.
char32_t DecodeMultibyte(std::string_view text, size_t& at) {
  const unsigned char first = static_cast<unsigned char>(text[at++]);
  const Lead lead = LeadOf(first);
  if (lead.length == 0) return kReplacement;
  char32_t c = first & (0xFF >> (lead.length + 1));
  for (int i = 1; i < lead.length; ++i) {
    if (at == text.size()) return kReplacement;
    const unsigned char next = static_cast<unsigned char>(text[at]);
    const unsigned char least = i == 1 ? lead.second_first : 0x80;
    const unsigned char most = i == 1 ? lead.second_last : 0xBF;
    if (next < least || next > most) return kReplacement;
    c = (c << 6) | (next & 0x3F);
    ++at;
  }
  return c;
}

// Capital letters that utf8proc does not know yet, and the distance to their small ones.
struct LowerCaseRange {
  char32_t first;
  char32_t last;
  int distance;
};
constexpr std::array<LowerCaseRange, 10> kNewCapitals = {{{0x1C89, 0x1C89, 1},
                                                          {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
                                                          {0xA7CC, 0xA7CC, 1},
                                                          {0xA7CE, 0xA7CE, 1},
                                                          {0xA7D2, 0xA7D2, 1},
                                                          {0xA7D4, 0xA7D4, 1},
                                                          {0xA7DA, 0xA7DA, 1},
                                                          {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
                                                          {0x10D50, 0x10D65, 0x20},
                                                          {0x16EA0, 0x16EB8, 0x1B}}};

char32_t LowerCaseOf(char32_t c) {
  if (c >= kNewCapitals.front().first) {
    for (const LowerCaseRange& range : kNewCapitals) {
      if (c >= range.first && c <= range.last)
        return static_cast<char32_t>(static_cast<int>(c) + range.distance);
    }
  }
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

utf8proc_propval_t CombiningClass(char32_t c) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

}  // namespace

std::u32string DecodeUtf8(std::string_view text) {
  std::u32string decoded;
  decoded.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const unsigned char byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      decoded.push_back(byte);
      ++at;
    } else {
      decoded.push_back(DecodeMultibyte(text, at));
    }
  }
  return decoded;
}

void AppendUtf8(char32_t c, std::string& text) {
  if (c < 0x80) {
    text.push_back(static_cast<char>(c));
    return;
  }
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

std::string EncodeUtf8(std::u32string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  for (char32_t c : text) AppendUtf8(c, encoded);
  return encoded;
}

bool IsWhitespace(char32_t c) {
  return c == ' ' || (c >= 0x9 && c <= 0xD) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool IsControl(char32_t c) { return InRanges(kControlRanges, c); }

bool IsPunctuation(char32_t c) { return InRanges(kPunctuationRanges, c); }

bool IsNonspacingMark(char32_t c) { return InRanges(kNonspacingMarkRanges, c); }

bool IsChinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

bool IsWordCharacter(char32_t c) {
  if (c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9)) return true;
  if ((c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189))
    return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return false;
  }
}

std::u32string Decompose(std::u32string_view text) {
  std::u32string decomposed;
  decomposed.reserve(text.size());
  for (char32_t c : text) {
    utf8proc_int32_t parts[32];  // the longest canonical decomposition has 4
    int boundary = 0;
    const utf8proc_ssize_t count = c < 0x80 || c == 0x11938  // the latter decomposes only since Unicode 13
                                       ? 0
                                       : utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 32,
                                                                 UTF8PROC_DECOMPOSE, &boundary);
    if (count < 1) decomposed.push_back(c);
    for (utf8proc_ssize_t i = 0; i < count; ++i) decomposed.push_back(static_cast<char32_t>(parts[i]));
  }
  // Canonical order: each run of combining characters sorted by class.
  const auto is_starter = [](char32_t c) { return c < 0x300 || CombiningClass(c) == 0; };
  for (auto at = decomposed.begin(); at != decomposed.end();) {
    const auto run = std::find_if_not(at, decomposed.end(), is_starter);
    at = std::find_if(run, decomposed.end(), is_starter);
    std::stable_sort(run, at, [](char32_t a, char32_t b) { return CombiningClass(a) < CombiningClass(b); });
  }
  return decomposed;
}

std::u32string LowerCase(std::u32string_view text) {
  std::u32string lower;
  lower.reserve(text.size());
  for (char32_t c : text) {
    if (c < 0x80) {
      lower.push_back(c >= 'A' && c <= 'Z' ? c + 32 : c);
    } else if (c == 0x130) {  // the only letter whose small form has two characters
      lower += {U'i', char32_t{0x307}};
    } else {
      lower.push_back(LowerCaseOf(c));
    }
  }
  return lower;
}

}  // namespace kprune
