// UTF-8, and characters as Hugging Face's tokenizers see them. Thread-safe: pure functions.
#ifndef KPRUNE_ENGINE_TOKENIZERS_UNICODE_H_
#define KPRUNE_ENGINE_TOKENIZERS_UNICODE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace kprune {

// Decodes UTF-8. Every maximal broken part becomes one U+FFFD, as with Python's errors="replace".
std::u32string DecodeUtf8(std::string_view text);
// The same, as UTF-8.
std::string RepairUtf8(std::string_view text);

void AppendUtf8(char32_t c, std::string& text);
std::string EncodeUtf8(std::u32string_view text);

// Of valid UTF-8: whether a character begins with the byte, the bytes of the one that begins at `at`, and
// that character; `at` then stands behind it.
inline bool IsLeadByte(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }
inline size_t CharacterSize(std::string_view text, size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}
char32_t NextMultibyte(std::string_view text, size_t& at);
inline char32_t NextCharacter(std::string_view text, size_t& at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  return byte < 0x80 ? (++at, char32_t{byte}) : NextMultibyte(text, at);
}
size_t CountCharacters(std::string_view text);
bool IsAscii(std::string_view text);

// The White_Space property.
bool IsWhitespace(char32_t c);

// Category C without tab and line ends; unassigned characters are not among them.
bool IsControl(char32_t c);

// Category P, and all ASCII symbols.
bool IsPunctuation(char32_t c);

// Category Mn; category M.
bool IsNonspacingMark(char32_t c);
bool IsMark(char32_t c);

// Category N.
bool IsNumeric(char32_t c);

// The blocks that BERT takes for Chinese characters.
bool IsChinese(char32_t c);

// What regular expressions call \w.
bool IsWordCharacter(char32_t c);

// The small letter, character by character (a final sigma is no special case); U+0130 alone has a small form
// of two characters, 'i' and U+0307, of which this is the first.
char32_t LowerCase(char32_t c);
inline constexpr char32_t kCapitalDottedI = 0x130;

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_UNICODE_H_
