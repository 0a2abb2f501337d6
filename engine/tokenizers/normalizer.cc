#include "engine/tokenizers/normalizer.h"

#include "engine/tokenizers/byte_level.h"
#include "engine/tokenizers/character_edits.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {

void NormalFormNormalizer::Normalize(AlignedText& text) const {
  if (!IsAscii(text.text())) text.Transform(Normalized(text.text(), form_), 0);
}

void LowercaseNormalizer::Normalize(AlignedText& text) const {
  if (IsAscii(text.text())) {
    std::string lower = text.text();
    for (char& byte : lower) byte = static_cast<char>(LowerCase(static_cast<unsigned char>(byte)));
    return text.SetBytes(std::move(lower));
  }
  std::vector<CharacterChange> changes;
  changes.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const char32_t c = NextCharacter(text.text(), at);
    changes.push_back({LowerCase(c), 0});
    if (c == kCapitalDottedI) changes.push_back({0x307, 1});
  }
  text.Transform(changes, 0);
}

void StripAccentsNormalizer::Normalize(AlignedText& text) const {
  if (!IsAscii(text.text())) RemoveCharacters(text, IsMark);
}

void StripNormalizer::Normalize(AlignedText& text) const {
  ByteRange kept = {0, text.size()};
  while (left_ && kept.begin < kept.end) {
    size_t at = kept.begin;
    if (!IsWhitespace(NextCharacter(text.text(), at))) break;
    kept.begin = at;
  }
  while (right_ && kept.begin < kept.end) {
    size_t last = kept.end - 1;
    while (!IsLeadByte(text.text()[last])) --last;
    size_t at = last;
    if (!IsWhitespace(NextCharacter(text.text(), at))) break;
    kept.end = last;
  }
  if (kept.size() == text.size()) return;
  AlignedText stripped = AlignedText::Like(text);
  stripped.Append(text, kept);
  text = std::move(stripped);
}

void PrependNormalizer::Normalize(AlignedText& text) const {
  if (text.empty()) return;
  AlignedText prepended = AlignedText::Like(text);
  prepended.Append(prefix_, text, 0);
  prepended.Append(text, {0, text.size()});
  text = std::move(prepended);
}

void NmtNormalizer::Normalize(AlignedText& text) const {
  RemoveCharacters(text, [](char32_t c) {
    return (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
           c == 0x9F;
  });
  MapCharacters(text, [](char32_t c) {
    const bool blank = c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                       c == 0xFEFF || c == 0xFFFD;
    return blank ? U' ' : c;
  });
}

void ByteLevelNormalizer::Normalize(AlignedText& text) const {
  AlignedText bytes = AlignedText::Like(text);
  AppendByteLevel(text, {0, text.size()}, bytes);
  text = std::move(bytes);
}

}  // namespace kprune
