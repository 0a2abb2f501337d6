#include "engine/tokenizers/wordpiece.h"

#include <utility>
#include <vector>

#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

// The pieces that begin with `prefix`, without it.
ByteTrie PiecesBehind(std::string_view prefix, const Vocabulary& vocabulary) {
  std::vector<std::pair<std::string_view, int32_t>> pieces;
  vocabulary.ForEach([&](std::string_view token, int32_t id) {
    if (token.substr(0, prefix.size()) == prefix) pieces.emplace_back(token.substr(prefix.size()), id);
  });
  return ByteTrie(std::move(pieces));
}

}  // namespace

WordPiece::WordPiece(Vocabulary vocabulary, const WordPieceOptions& options)
    : vocabulary_(std::move(vocabulary)),
      max_input_chars_per_word_(static_cast<size_t>(options.max_input_chars_per_word)),
      unk_id_(*vocabulary_.Find(options.unk_token)),
      first_(PiecesBehind("", vocabulary_)),
      continuation_(PiecesBehind(options.continuing_subword_prefix, vocabulary_)) {}

void WordPiece::Tokenize(std::string_view word, TokenSink& tokens) const {
  const size_t before = tokens.size();
  const bool too_long =
      word.size() > max_input_chars_per_word_ && CountCharacters(word) > max_input_chars_per_word_;
  for (size_t at = 0; at < word.size() && !too_long;) {
    const ByteTrie& trie = at == 0 ? first_ : continuation_;
    const ByteTrie::Match piece = trie.Longest(word.substr(at));
    if (piece.length == 0) {
      tokens.Shrink(before);
      break;
    }
    tokens.Add(piece.value, at, at + piece.length);
    at += piece.length;
  }
  if (tokens.size() == before) tokens.Add(unk_id_, 0, word.size());
}

}  // namespace kprune
