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

void WordPiece::Append(std::u32string_view word, std::vector<int32_t>& ids) const {
  if (word.size() > static_cast<size_t>(options_.max_input_chars_per_word)) {
    ids.push_back(unk_id_);
    return;
  }
  const size_t ids_before = ids.size();
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
      ids.push_back(unk_id_);
      return;
    }
    ids.push_back(found->second);
    start += ends.size();
  }
}

std::optional<int32_t> WordPiece::Id(std::string_view token) const {
  const auto found = vocabulary_.find(token);
  if (found == vocabulary_.end()) return std::nullopt;
  return found->second;
}

}  // namespace kprune
