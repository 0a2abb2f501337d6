#include "engine/data/bert_normalizer.h"

#include <utility>

#include "engine/data/unicode.h"

namespace kprune {
namespace {

std::u32string Clean(std::u32string_view text) {
  std::u32string clean;
  clean.reserve(text.size());
  for (char32_t c : text) {
    if (c == 0 || c == 0xFFFD || IsControl(c)) continue;
    clean.push_back(IsWhitespace(c) ? U' ' : c);
  }
  return clean;
}

std::u32string SeparateChinese(std::u32string_view text) {
  std::u32string separated;
  separated.reserve(text.size());
  for (char32_t c : text) {
    if (IsChinese(c)) {
      separated += {U' ', c, U' '};
    } else {
      separated.push_back(c);
    }
  }
  return separated;
}

}  // namespace

std::u32string Normalize(std::u32string text, const BertNormalizerOptions& options) {
  if (options.clean_text) text = Clean(text);
  if (options.handle_chinese_chars) text = SeparateChinese(text);
  if (options.strip_accents) {
    text = Decompose(text);
    std::erase_if(text, IsNonspacingMark);
  }
  if (options.lowercase) text = LowerCase(text);
  return text;
}

// Every step maps characters one by one, but for the order of combining marks, which stay with their base.
std::vector<int32_t> NormalizedOrigins(std::u32string_view text, const BertNormalizerOptions& options) {
  std::vector<int32_t> origins;
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t length = Normalize(std::u32string(1, text[at]), options).size();
    origins.insert(origins.end(), length, static_cast<int32_t>(at));
  }
  return origins;
}

std::vector<std::u32string_view> SplitWords(std::u32string_view text) {
  std::vector<std::u32string_view> words;
  size_t start = 0;  // of the word being read
  for (size_t at = 0; at <= text.size(); ++at) {
    const bool punctuation = at < text.size() && IsPunctuation(text[at]);
    if (at < text.size() && !punctuation && !IsWhitespace(text[at])) continue;
    if (at > start) words.push_back(text.substr(start, at - start));
    if (punctuation) words.push_back(text.substr(at, 1));
    start = at + 1;
  }
  return words;
}

}  // namespace kprune
