#include "engine/data/wordpiece_tokenizer.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/data/unicode.h"

namespace kprune {
namespace {

using IdList = std::vector<int32_t>;

// "Longest first" as Hugging Face's tokenizers do it: the longer text gives way until both are equal, then
// both do, and of an odd limit the second text gets one token more (the first one where it was the longer).
void TruncatePair(IdList& first, IdList& second, size_t limit) {
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

// Returns where the tokens stand then.
Encoding::Part AppendPiece(absl::Span<const int32_t> ids, int32_t type_id, Encoding& encoding) {
  const auto begin = static_cast<int>(encoding.input_ids.size());
  encoding.input_ids.insert(encoding.input_ids.end(), ids.begin(), ids.end());
  encoding.token_type_ids.insert(encoding.token_type_ids.end(), ids.size(), type_id);
  return {begin, static_cast<int>(encoding.input_ids.size())};
}

// Of pieces of a normalised text: which characters of the whole text they stand for.
class SpanRecorder {
 public:
  // `raw` begins `offset` characters behind the text's beginning. Records nothing where `spans` is null.
  SpanRecorder(std::u32string_view raw, const std::optional<BertNormalizerOptions>& normalizer, size_t offset,
               std::vector<TextSpan>* spans)
      : offset_(static_cast<int32_t>(offset)), spans_(spans) {
    if (spans == nullptr) return;
    if (normalizer) {
      origins_ = NormalizedOrigins(raw, *normalizer);
    } else {
      origins_.resize(raw.size());
      std::iota(origins_.begin(), origins_.end(), 0);
    }
  }

  // Pieces of such lengths, one after the other from `begin` on.
  void Add(size_t begin, absl::Span<const int32_t> lengths) {
    if (spans_ == nullptr) return;
    for (const int32_t length : lengths) {
      const size_t last = begin + static_cast<size_t>(length) - 1;
      spans_->push_back({offset_ + origins_[begin], offset_ + origins_[last] + 1});
      begin = last + 1;
    }
  }

 private:
  const int32_t offset_;
  std::vector<TextSpan>* const spans_;
  std::vector<int32_t> origins_;
};

}  // namespace

WordPieceTokenizer::WordPieceTokenizer(WordPieceParts parts)
    : normalizer_(parts.normalizer),
      mask_token_(std::move(parts.mask_token)),
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

std::vector<int32_t> WordPieceTokenizer::IdsOf(std::string_view text, std::vector<TextSpan>* spans) const {
  IdList ids, lengths;
  const std::u32string decoded = DecodeUtf8(text);
  for (const TextPiece& raw : in_text_.Split(decoded)) {
    const auto offset = static_cast<size_t>(raw.text.data() - decoded.data());
    if (raw.token) {
      ids.push_back(*raw.token);
      if (spans != nullptr)
        spans->push_back({static_cast<int32_t>(offset), static_cast<int32_t>(offset + raw.text.size())});
      continue;
    }
    const std::u32string normalized = NormalizeText(std::u32string(raw.text));
    SpanRecorder recorder(raw.text, normalizer_, offset, spans);
    const auto begin_of = [&](std::u32string_view part) {
      return static_cast<size_t>(part.data() - normalized.data());
    };
    for (const TextPiece& piece : in_normalized_.Split(normalized)) {
      if (piece.token) {
        ids.push_back(*piece.token);
        recorder.Add(begin_of(piece.text), {static_cast<int32_t>(piece.text.size())});
        continue;
      }
      for (std::u32string_view word : SplitWords(piece.text)) {
        lengths.clear();
        model_.Append(word, ids, spans == nullptr ? nullptr : &lengths);
        recorder.Add(begin_of(word), lengths);
      }
    }
  }
  return ids;
}

TextTokens WordPieceTokenizer::EncodeText(std::string_view text) const {
  TextTokens tokens;
  tokens.ids = IdsOf(text, &tokens.spans);
  return tokens;
}

Encoding WordPieceTokenizer::Encode(std::string_view text, std::optional<std::string_view> pair,
                                    int max_length) const {
  std::vector<int32_t> first = IdsOf(text, nullptr), second;
  if (pair) second = IdsOf(*pair, nullptr);
  if (max_length > 0) {
    const size_t limit = static_cast<size_t>(std::max(0, max_length - special_tokens(pair.has_value())));
    if (pair) {
      TruncatePair(first, second, limit);
    } else {
      first.resize(std::min(first.size(), limit));
    }
  }
  return Frame(first, pair ? std::optional(absl::MakeConstSpan(second)) : std::nullopt);
}

Encoding WordPieceTokenizer::Frame(absl::Span<const int32_t> first,
                                   std::optional<absl::Span<const int32_t>> second) const {
  Encoding encoding;
  encoding.content_tokens = static_cast<int>(first.size() + (second ? second->size() : 0));
  for (const TemplatePiece& piece : second ? pair_ : single_) {
    switch (piece.source) {
      case TemplatePiece::Source::kSpecial:
        AppendPiece(piece.ids, piece.type_id, encoding);
        break;
      case TemplatePiece::Source::kFirst:
        encoding.first = AppendPiece(first, piece.type_id, encoding);
        break;
      case TemplatePiece::Source::kSecond:
        encoding.second = AppendPiece(*second, piece.type_id, encoding);
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
