#include "engine/tokenizers/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "engine/tokenizers/unicode_tables.h"

namespace kprune {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

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

std::string RepairUtf8(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
    repaired.append(text, begin, at - begin);
    if (at < text.size()) AppendUtf8(DecodeMultibyte(text, at), repaired);
  }
  return repaired;
}

void AppendUtf8(char32_t c, std::string& text) {
  const auto rest = [&](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) {
    text.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    text.append({static_cast<char>(0xC0 | (c >> 6)), rest(0)});
  } else if (c < 0x10000) {
    text.append({static_cast<char>(0xE0 | (c >> 12)), rest(6), rest(0)});
  } else {
    text.append({static_cast<char>(0xF0 | (c >> 18)), rest(12), rest(6), rest(0)});
  }
}

std::string EncodeUtf8(std::u32string_view text) {
  std::string encoded;
  encoded.reserve(text.size());
  for (char32_t c : text) AppendUtf8(c, encoded);
  return encoded;
}

char32_t NextMultibyte(std::string_view text, size_t& at) {
  const size_t size = CharacterSize(text, at);
  char32_t c = static_cast<unsigned char>(text[at]) & (0xFF >> (size + 1));
  for (size_t i = 1; i < size; ++i) c = (c << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3F);
  at += size;
  return c;
}

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), IsLeadByte));
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool IsWhitespace(char32_t c) {
  return c == ' ' || (c >= 0x9 && c <= 0xD) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool IsControl(char32_t c) {
  static const CharacterSet set(kControlRanges);
  return set.Contains(c);
}

bool IsPunctuation(char32_t c) {
  static const CharacterSet set(kPunctuationRanges);
  return set.Contains(c);
}

bool IsNonspacingMark(char32_t c) {
  static const CharacterSet set(kNonspacingMarkRanges);
  return set.Contains(c);
}

bool IsMark(char32_t c) {
  static const CharacterSet set(kMarkRanges);
  return set.Contains(c);
}

bool IsNumeric(char32_t c) {
  static const CharacterSet set([fresh = CharacterSet(kNewNumericRanges)](char32_t code) {
    const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
    return (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) || fresh.Contains(code);
  });
  return set.Contains(c);
}

bool IsChinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

bool IsWordCharacter(char32_t c) {
  // Letters, marks, decimal digits and letter-like numbers, connectors.
  static const CharacterSet set([fresh = CharacterSet(kNewWordRanges)](char32_t code) {
    const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
           category == UTF8PROC_CATEGORY_PC || fresh.Contains(code);
  });
  return set.Contains(c);
}

char32_t LowerCase(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c == kCapitalDottedI) return 'i';
  if (c >= kNewCapitals.front().first) {
    for (const LowerCaseRange& range : kNewCapitals) {
      if (c >= range.first && c <= range.last)
        return static_cast<char32_t>(static_cast<int>(c) + range.distance);
    }
  }
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

}  // namespace kprune
