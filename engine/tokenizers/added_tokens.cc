#include "engine/tokenizers/added_tokens.h"

#include <algorithm>
#include <utility>

#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

// Where the character before `at` begins.
size_t Before(std::string_view text, size_t at) {
  do {
    --at;
  } while (!IsLeadByte(text[at]));
  return at;
}

bool StandsAlone(std::string_view text, size_t begin, size_t end) {
  size_t before = begin == 0 ? 0 : Before(text, begin), after = end;
  return (begin == 0 || !IsWordCharacter(NextCharacter(text, before))) &&
         (end == text.size() || !IsWordCharacter(NextCharacter(text, after)));
}

size_t WithSpaceBefore(std::string_view text, size_t begin, size_t least) {
  while (begin > least) {
    const size_t before = Before(text, begin);
    size_t at = before;
    if (!IsWhitespace(NextCharacter(text, at))) break;
    begin = before;
  }
  return std::max(begin, least);
}

size_t WithSpaceAfter(std::string_view text, size_t end) {
  while (end < text.size()) {
    size_t after = end;
    if (!IsWhitespace(NextCharacter(text, after))) break;
    end = after;
  }
  return end;
}

std::vector<std::pair<std::string_view, int32_t>> Contents(const std::vector<AddedToken>& tokens) {
  std::vector<std::pair<std::string_view, int32_t>> contents;
  for (size_t i = 0; i < tokens.size(); ++i)
    contents.emplace_back(tokens[i].content, static_cast<int32_t>(i));
  return contents;
}

// Of equal contents the trie keeps the first.
std::vector<AddedToken> SpecialFirst(std::vector<AddedToken> tokens) {
  std::stable_partition(tokens.begin(), tokens.end(), [](const AddedToken& token) { return token.special; });
  return tokens;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : tokens_(SpecialFirst(std::move(tokens))), trie_(Contents(tokens_)) {}

void AddedTokenMatcher::Split(std::string_view text, size_t offset,
                              std::vector<WordList::Word>& words) const {
  size_t done = 0;  // text before it is in `words`
  const auto add = [&](size_t begin, size_t end, int32_t token) {
    if (begin < end) words.push_back({{offset + begin, offset + end}, token});
  };
  for (size_t at = 0; at < text.size() && !tokens_.empty();) {
    const ByteTrie::Match match = trie_.Longest(text.substr(at));
    if (match.length == 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[match.value];
    size_t begin = at, end = at + match.length;
    at = end;
    if (token.single_word && !StandsAlone(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(WithSpaceBefore(text, begin, std::min(done, begin)), done);
    if (token.rstrip) end = WithSpaceAfter(text, end);
    add(done, begin, WordList::kNoToken);
    add(begin, end, token.id);
    done = end;
  }
  add(done, text.size(), WordList::kNoToken);
}

}  // namespace kprune
