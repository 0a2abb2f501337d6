#include "engine/data/wordpiece_tokenizer.h"

#include <algorithm>
#include <utility>

#include "engine/data/unicode.h"

namespace kprune {
namespace {

using Ids = std::vector<int32_t>;

// "Longest first" as Hugging Face's tokenizers do it: the longer text gives way until both are equal, then
// both do, and of an odd limit the second text gets one token more (the first one where it was the longer).
void TruncatePair(Ids& first, Ids& second, size_t limit) {
  if (first.size() + second.size() <= limit) return;
  size_t shorter = std::min(first.size(), second.size());
  size_t longer = shorter > limit ? shorter : std::max(shorter, limit - shorter);
  if (shorter + longer > limit) {
    shorter = limit / 2;
    longer = shorter + limit % 2;
  }
  const bool first_is_longer = first.size() > second.size();
  first.resize(std::min(first.size(), first_is_longer ? longer : shorter));
  second.resize(std::min(second.size(), first_is_longer ? shorter : longer));
}

std::vector<AddedToken> Select(const std::vector<AddedToken>& tokens, bool normalized) {
  std::vector<AddedToken> selected;
  std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(selected),
               [normalized](const AddedToken& token) { return token.normalized == normalized; });
  return selected;
}

int CountSpecial(const Template& pieces) {
  size_t count = 0;
  for (const TemplatePiece& piece : pieces) count += piece.ids.size();
  return static_cast<int>(count);
}

void AppendPiece(const Ids& ids, int32_t type_id, Encoding& encoding) {
  encoding.input_ids.insert(encoding.input_ids.end(), ids.begin(), ids.end());
  encoding.token_type_ids.insert(encoding.token_type_ids.end(), ids.size(), type_id);
}

}  // namespace

WordPieceTokenizer::WordPieceTokenizer(WordPieceParts parts)
    : normalizer_(parts.normalizer),
      single_(std::move(parts.single)),
      pair_(std::move(parts.pair)),
      added_tokens_(std::move(parts.added_tokens)),
      in_text_(Select(added_tokens_, false)),
      in_normalized_([this] {
        std::vector<AddedToken> tokens = Select(added_tokens_, true);
        for (AddedToken& token : tokens) token.content = NormalizeText(std::move(token.content));
        return tokens;
      }()),
      model_(std::move(parts.vocabulary), std::move(parts.model)) {
  for (const auto& [token, id] : model_.vocabulary()) vocab_size_ = std::max(vocab_size_, id + 1);
  for (const AddedToken& token : added_tokens_) vocab_size_ = std::max(vocab_size_, token.id + 1);
}

std::u32string WordPieceTokenizer::NormalizeText(std::u32string text) const {
  return normalizer_ ? Normalize(std::move(text), *normalizer_) : text;
}

Ids WordPieceTokenizer::EncodeText(std::string_view text) const {
  Ids ids;
  const std::u32string decoded = DecodeUtf8(text);
  for (const TextPiece& raw : in_text_.Split(decoded)) {
    if (raw.token) {
      ids.push_back(*raw.token);
      continue;
    }
    const std::u32string normalized = NormalizeText(std::u32string(raw.text));
    for (const TextPiece& piece : in_normalized_.Split(normalized)) {
      if (piece.token) {
        ids.push_back(*piece.token);
        continue;
      }
      for (std::u32string_view word : SplitWords(piece.text)) model_.Append(word, ids);
    }
  }
  return ids;
}

Encoding WordPieceTokenizer::Encode(std::string_view text, std::optional<std::string_view> pair,
                                    int max_length) const {
  Ids first = EncodeText(text);
  Ids second = pair ? EncodeText(*pair) : Ids();
  if (max_length > 0) {
    const size_t limit = static_cast<size_t>(std::max(0, max_length - special_tokens(pair.has_value())));
    if (pair) {
      TruncatePair(first, second, limit);
    } else {
      first.resize(std::min(first.size(), limit));
    }
  }
  Encoding encoding;
  encoding.content_tokens = static_cast<int>(first.size() + second.size());
  for (const TemplatePiece& piece : pair ? pair_ : single_) {
    switch (piece.source) {
      case TemplatePiece::Source::kSpecial:
        AppendPiece(piece.ids, piece.type_id, encoding);
        break;
      case TemplatePiece::Source::kFirst:
        AppendPiece(first, piece.type_id, encoding);
        break;
      case TemplatePiece::Source::kSecond:
        AppendPiece(second, piece.type_id, encoding);
        break;
    }
  }
  return encoding;
}

int WordPieceTokenizer::special_tokens(bool pair) const { return CountSpecial(pair ? pair_ : single_); }

std::optional<int32_t> WordPieceTokenizer::Id(std::string_view token) const {
  for (const AddedToken& added : added_tokens_) {
    if (EncodeUtf8(added.content) == token) return added.id;
  }
  return model_.Id(token);
}

}  // namespace kprune
