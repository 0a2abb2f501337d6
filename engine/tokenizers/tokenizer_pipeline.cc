#include "engine/tokenizers/tokenizer_pipeline.h"

#include <algorithm>
#include <utility>

#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

using IdList = std::vector<int32_t>;

// Keeps `size` tokens, the last ones where `left`.
void Truncate(IdList& ids, size_t size, bool left) {
  if (ids.size() <= size) return;
  if (left) ids.erase(ids.begin(), ids.end() - static_cast<ptrdiff_t>(size));
  ids.resize(size);
}

// "Longest first" as Hugging Face's tokenizers do it: the longer text gives way until both are equal, then
// both do, and of an odd limit the second text gets one token more (the first one where it was the longer).
void TruncatePair(IdList& first, IdList& second, size_t limit, bool left) {
  if (first.size() + second.size() <= limit) return;
  size_t shorter = std::min(first.size(), second.size());
  size_t longer = shorter > limit ? shorter : std::max(shorter, limit - shorter);
  if (shorter + longer > limit) {
    shorter = limit / 2;
    longer = shorter + limit % 2;
  }
  const bool first_is_longer = first.size() > second.size();
  Truncate(first, first_is_longer ? longer : shorter, left);
  Truncate(second, first_is_longer ? shorter : longer, left);
}

// The whole excess comes off one text, unless nothing would be left of it.
void TruncateOne(IdList& cut, const IdList& other, size_t limit, bool left) {
  if (limit > other.size()) Truncate(cut, limit - other.size(), left);
}

// The tokens that are matched before, or after, normalisation, as they are matched.
std::vector<AddedToken> Select(const TokenizerParts& parts, bool normalized) {
  std::vector<AddedToken> selected;
  for (const AddedToken& token : parts.added_tokens) {
    if (token.normalized != normalized) continue;
    selected.push_back(token);
    if (!normalized || parts.normalizer == nullptr) continue;
    AlignedText content(token.content, false);
    parts.normalizer->Normalize(content);
    selected.back().content = content.text();
  }
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

}  // namespace

TokenizerPipeline::TokenizerPipeline(TokenizerParts parts)
    : parts_(std::move(parts)), in_text_(Select(parts_, false)), in_normalized_(Select(parts_, true)) {
  const Vocabulary& vocabulary = parts_.model->vocabulary();
  vocab_size_ = vocabulary.end_id();
  for (const AddedToken& token : parts_.added_tokens) vocab_size_ = std::max(vocab_size_, token.id + 1);
  if (!parts_.post_processor.trimming) return;
  vocabulary.ForEach([this](std::string_view token, int32_t id) {
    const OuterSpaces spaces = CountOuterSpaces(token);
    if (spaces.leading > 0 || spaces.trailing > 0) outer_spaces_[id] = spaces;
  });
}

WordList TokenizerPipeline::Words(std::string_view text, bool aligned) const {
  const bool tracked =
      aligned || (parts_.pre_tokenizer != nullptr && parts_.pre_tokenizer->needs_alignment());
  WordList words{AlignedText(RepairUtf8(text), tracked), {}};
  std::vector<WordList::Word> raw;
  in_text_.Split(words.text.text(), 0, raw);
  AlignedText normalized = AlignedText::Like(words.text);
  for (const WordList::Word& piece : raw) {
    const size_t begin = normalized.size();
    if (piece.token != WordList::kNoToken || parts_.normalizer == nullptr) {
      normalized.Append(words.text, piece.range);
    } else if (raw.size() == 1) {
      parts_.normalizer->Normalize(words.text);
      normalized = std::move(words.text);
    } else {
      AlignedText part = AlignedText::Like(words.text);
      part.Append(words.text, piece.range);
      parts_.normalizer->Normalize(part);
      normalized.Append(part, {0, part.size()});
    }
    const ByteRange range = {begin, normalized.size()};
    if (piece.token != WordList::kNoToken) {
      words.words.push_back({range, piece.token});
    } else {
      in_normalized_.Split(normalized.View(range), begin, words.words);
    }
  }
  words.text = std::move(normalized);
  if (parts_.pre_tokenizer != nullptr) parts_.pre_tokenizer->Split(words);
  return words;
}

std::vector<int32_t> TokenizerPipeline::Ids(std::string_view text) const {
  const WordList words = Words(text, false);
  IdList ids;
  ids.reserve(words.words.size() + 8);
  TokenSink sink(ids, nullptr);
  for (const WordList::Word& word : words.words) {
    if (word.token != WordList::kNoToken) {
      ids.push_back(word.token);
    } else {
      parts_.model->Tokenize(words.text.View(word.range), sink);
    }
  }
  return ids;
}

TextSpan TokenizerPipeline::Trimmed(TextSpan span, OuterSpaces spaces, bool first) const {
  // Of several, none was put there.
  const bool put_there =
      spaces.leading == 1 && (first || span.begin == 0) && parts_.post_processor.trimming->add_prefix_space;
  if (spaces.leading > 0 && !put_there) span.begin = std::min(span.begin + spaces.leading, span.end);
  if (spaces.trailing > 0 && span.end >= spaces.trailing)
    span.end = std::max(span.end - spaces.trailing, span.begin);
  return span;
}

TextTokens TokenizerPipeline::EncodeText(std::string_view text) const {
  const WordList words = Words(text, true);
  TextTokens tokens;
  std::vector<ByteRange> ranges;
  TokenSink sink(tokens.ids, &ranges);
  for (const WordList::Word& word : words.words) {
    const size_t before = tokens.ids.size();
    if (word.token != WordList::kNoToken) {
      sink.Add(word.token, 0, word.range.size());
    } else {
      parts_.model->Tokenize(words.text.View(word.range), sink);
    }
    for (size_t token = before; token < tokens.ids.size(); ++token) {
      TextSpan span =
          words.text.Origin({word.range.begin + ranges[token].begin, word.range.begin + ranges[token].end});
      if (parts_.post_processor.trimming) {
        OuterSpaces spaces;
        if (word.token != WordList::kNoToken) {
          spaces = CountOuterSpaces(words.text.View(word.range));
        } else if (const auto found = outer_spaces_.find(tokens.ids[token]); found != outer_spaces_.end()) {
          spaces = found->second;
        }
        span = Trimmed(span, spaces, token == 0);
      }
      tokens.spans.push_back(span);
    }
  }
  return tokens;
}

Encoding TokenizerPipeline::Encode(std::string_view text, std::optional<std::string_view> pair,
                                   int max_length, Truncation truncation) const {
  IdList first = Ids(text), second;
  if (pair) second = Ids(*pair);
  if (max_length > 0) {
    const size_t limit = static_cast<size_t>(std::max(0, max_length - special_tokens(pair.has_value())));
    const bool left = parts_.truncates_left;
    if (truncation == Truncation::kOnlyFirst) {
      TruncateOne(first, second, limit, left);
    } else if (truncation == Truncation::kOnlySecond) {
      TruncateOne(second, first, limit, left);
    } else if (pair) {
      TruncatePair(first, second, limit, left);
    } else {
      Truncate(first, limit, left);
    }
  }
  return Frame(first, pair ? std::optional(absl::MakeConstSpan(second)) : std::nullopt);
}

Encoding TokenizerPipeline::Frame(absl::Span<const int32_t> first,
                                  std::optional<absl::Span<const int32_t>> second) const {
  Encoding encoding;
  encoding.content_tokens = static_cast<int>(first.size() + (second ? second->size() : 0));
  for (const TemplatePiece& piece : second ? parts_.post_processor.pair : parts_.post_processor.single) {
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

int TokenizerPipeline::special_tokens(bool pair) const {
  return CountSpecial(pair ? parts_.post_processor.pair : parts_.post_processor.single);
}

std::optional<int32_t> TokenizerPipeline::mask_id() const {
  return parts_.mask_token ? Id(*parts_.mask_token) : std::nullopt;
}

std::optional<int32_t> TokenizerPipeline::Id(std::string_view token) const {
  for (const AddedToken& added : parts_.added_tokens) {
    if (added.content == token) return added.id;
  }
  return parts_.model->vocabulary().Find(token);
}

}  // namespace kprune
