#include "engine/data/added_tokens.h"

#include <algorithm>
#include <utility>

#include "engine/data/unicode.h"

namespace kprune {
namespace {

bool StandsAlone(std::u32string_view text, size_t begin, size_t end) {
  return (begin == 0 || !IsWordCharacter(text[begin - 1])) &&
         (end == text.size() || !IsWordCharacter(text[end]));
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) {
  std::stable_sort(tokens.begin(), tokens.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.content.size() > b.content.size();
  });
  for (AddedToken& token : tokens) {
    if (!token.content.empty()) by_first_[token.content[0]].push_back(std::move(token));
  }
}

const AddedToken* AddedTokenMatcher::MatchAt(std::u32string_view text, size_t at) const {
  const auto candidates = by_first_.find(text[at]);
  if (candidates == by_first_.end()) return nullptr;
  for (const AddedToken& token : candidates->second) {
    if (text.substr(at, token.content.size()) == token.content) return &token;
  }
  return nullptr;
}

std::vector<TextPiece> AddedTokenMatcher::Split(std::u32string_view text) const {
  std::vector<TextPiece> pieces;
  size_t done = 0;  // text before it is in `pieces`
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = MatchAt(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;
    if (token->single_word && !StandsAlone(text, begin, end)) continue;
    while (token->lstrip && begin > done && IsWhitespace(text[begin - 1])) --begin;
    while (token->rstrip && end < text.size() && IsWhitespace(text[end])) ++end;
    if (begin > done) pieces.push_back({std::nullopt, text.substr(done, begin - done)});
    pieces.push_back({token->id, text.substr(begin, end - begin)});
    done = end;
  }
  if (done < text.size()) pieces.push_back({std::nullopt, text.substr(done)});
  return pieces;
}

}  // namespace kprune
