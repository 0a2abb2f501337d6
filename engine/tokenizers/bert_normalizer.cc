#include "engine/tokenizers/bert_normalizer.h"

#include <utility>

#include "engine/tokenizers/character_edits.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

void Clean(AlignedText& text) {
  RemoveCharacters(text, [](char32_t c) { return c == 0 || c == 0xFFFD || IsControl(c); });
  MapCharacters(text, [](char32_t c) { return IsWhitespace(c) ? U' ' : c; });
}

void SeparateChinese(AlignedText& text) {
  AlignedText separated = AlignedText::Like(text);
  size_t done = 0;  // text before it is in `separated`
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (!IsChinese(NextCharacter(text.text(), at))) continue;
    separated.Append(text, {done, begin});
    separated.Append(" ", text, begin);
    separated.Append(text, {begin, at});
    separated.Append(" ", text, begin);
    done = at;
  }
  if (done == 0) return;
  separated.Append(text, {done, text.size()});
  text = std::move(separated);
}

void StripAccents(AlignedText& text) {
  text.Transform(Normalized(text.text(), NormalForm::kNfd), 0);
  RemoveCharacters(text, IsNonspacingMark);
}

}  // namespace

void BertNormalizer::Normalize(AlignedText& text) const {
  if (options_.clean_text) Clean(text);
  if (!IsAscii(text.text())) {
    if (options_.handle_chinese_chars) SeparateChinese(text);
    if (options_.strip_accents) StripAccents(text);
  }
  if (options_.lowercase) LowercaseNormalizer().Normalize(text);
}

}  // namespace kprune
