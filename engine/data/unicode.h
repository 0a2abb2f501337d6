// Characters as Hugging Face's tokenizers see them. Thread-safe: pure functions.
#ifndef KPRUNE_ENGINE_DATA_UNICODE_H_
#define KPRUNE_ENGINE_DATA_UNICODE_H_

#include <string>
#include <string_view>

namespace kprune {

// Decodes UTF-8. Every maximal broken part becomes one U+FFFD, as with Python's errors="replace".
std::u32string DecodeUtf8(std::string_view text);

void AppendUtf8(char32_t c, std::string& text);
std::string EncodeUtf8(std::u32string_view text);

// The White_Space property.
bool IsWhitespace(char32_t c);

// Category C without tab and line ends; unassigned characters are not among them.
bool IsControl(char32_t c);

// Category P, and all ASCII symbols.
bool IsPunctuation(char32_t c);

// Category Mn.
bool IsNonspacingMark(char32_t c);

// The blocks that BERT takes for Chinese characters.
bool IsChinese(char32_t c);

// What regular expressions call \w.
bool IsWordCharacter(char32_t c);

// Canonical decomposition (NFD).
std::u32string Decompose(std::u32string_view text);

// Lower case, character by character (a final sigma is no special case).
std::u32string LowerCase(std::u32string_view text);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_UNICODE_H_
