#include "engine/data/wordpiece.h"

#include <algorithm>
#include <utility>

#include "engine/data/unicode.h"

namespace kprune {

WordPiece::WordPiece(Vocabulary vocabulary, WordPieceOptions options)
    : vocabulary_(std::move(vocabulary)),
      options_(std::move(options)),
      unk_id_(vocabulary_.find(options_.unk_token)->second) {
  for (const auto& [token, id] : vocabulary_) longest_bytes_ = std::max(longest_bytes_, token.size());
}

void WordPiece::Append(std::u32string_view word, std::vector<int32_t>& ids,
                       std::vector<int32_t>* lengths) const {
  const size_t ids_before = ids.size(), lengths_before = lengths == nullptr ? 0 : lengths->size();
  const auto add = [&](int32_t id, size_t length) {
    ids.push_back(id);
    if (lengths != nullptr) lengths->push_back(static_cast<int32_t>(length));
  };
  if (word.size() > static_cast<size_t>(options_.max_input_chars_per_word)) return add(unk_id_, word.size());
  std::string piece;
  std::vector<size_t> ends;  // of each character, in bytes of `piece`
  for (size_t start = 0; start < word.size();) {
    piece = start == 0 ? "" : options_.continuing_subword_prefix;
    ends.clear();
    for (size_t at = start; at < word.size() && piece.size() < longest_bytes_; ++at) {
      AppendUtf8(word[at], piece);
      ends.push_back(piece.size());
    }
    auto found = vocabulary_.end();
    while (!ends.empty()) {
      found = vocabulary_.find(std::string_view(piece).substr(0, ends.back()));
      if (found != vocabulary_.end()) break;
      ends.pop_back();
    }
    if (found == vocabulary_.end()) {
      ids.resize(ids_before);
      if (lengths != nullptr) lengths->resize(lengths_before);
      return add(unk_id_, word.size());
    }
    add(found->second, ends.size());
    start += ends.size();
  }
}

std::optional<int32_t> WordPiece::Id(std::string_view token) const {
  const auto found = vocabulary_.find(token);
  if (found == vocabulary_.end()) return std::nullopt;
  return found->second;
}

}  // namespace kprune
