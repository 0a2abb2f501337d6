#include "engine/tokenizers/aligned_text.h"

#include <algorithm>
#include <utility>

#include "engine/tokenizers/unicode.h"

namespace kprune {

AlignedText::AlignedText(std::string text, bool aligned) : aligned_(aligned), text_(std::move(text)) {
  if (!aligned_) return;
  origins_.reserve(text_.size());
  int32_t character = -1;
  for (const char byte : text_) {
    if (IsLeadByte(byte)) ++character;
    origins_.push_back({character, character + 1});
  }
}

AlignedText AlignedText::Like(const AlignedText& model) {
  AlignedText text;
  text.aligned_ = model.aligned_;
  text.text_.reserve(model.size() + model.size() / 4 + 8);
  if (model.aligned_) text.origins_.reserve(text.text_.capacity());
  return text;
}

TextSpan AlignedText::Origin(ByteRange range) const {
  return {origins_[range.begin].begin, origins_[range.end - 1].end};
}

void AlignedText::Append(const AlignedText& source, ByteRange range) {
  text_.append(source.text_, range.begin, range.size());
  if (!aligned_) return;
  const auto begin = source.origins_.begin();
  origins_.insert(origins_.end(), begin + static_cast<ptrdiff_t>(range.begin),
                  begin + static_cast<ptrdiff_t>(range.end));
}

void AlignedText::Append(std::string_view text, const AlignedText& source, size_t at) {
  text_.append(text);
  if (aligned_) AppendOrigins(text.size(), source.origins_[at]);
}

void AlignedText::AppendInserted(std::string_view text, const AlignedText& source, size_t at) {
  text_.append(text);
  if (aligned_) AppendOrigins(text.size(), at > 0 ? source.origins_[at - 1] : TextSpan{});
}

void AlignedText::Transform(absl::Span<const CharacterChange> changes, size_t removed_first) {
  std::string text;
  text.reserve(text_.size());
  std::vector<TextSpan> origins;
  origins.reserve(origins_.size());
  size_t at = 0;  // of the next character that is replaced
  const auto skip = [&] { at = aligned_ && at < text_.size() ? at + CharacterSize(text_, at) : at; };
  for (size_t i = 0; i < removed_first; ++i) skip();
  for (const CharacterChange& change : changes) {
    const size_t before = text.size();
    AppendUtf8(change.character, text);
    if (!aligned_) continue;
    TextSpan origin;
    if (change.change <= 0) {
      origin = origins_[std::min(at, origins_.size() - 1)];
    } else if (at > 0) {
      origin = origins_[at - 1];
    }
    origins.insert(origins.end(), text.size() - before, origin);
    for (int32_t gone = change.change; gone <= 0; ++gone) skip();
  }
  text_ = std::move(text);
  origins_ = std::move(origins);
}

}  // namespace kprune
