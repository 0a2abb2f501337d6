#include "engine/tokenizers/unigram.h"

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

// How much less an unknown character is worth than the least likely piece.
constexpr double kUnknownPenalty = 10;

std::vector<std::pair<std::string_view, int32_t>> Entries(const Vocabulary& vocabulary) {
  std::vector<std::pair<std::string_view, int32_t>> entries;
  entries.reserve(vocabulary.size());
  vocabulary.ForEach([&](std::string_view token, int32_t id) { entries.emplace_back(token, id); });
  return entries;
}

}  // namespace

absl::StatusOr<Unigram> Unigram::Create(std::vector<UnigramPiece> pieces, std::optional<int32_t> unk_id,
                                        bool byte_fallback, std::string_view what) {
  if (!unk_id || static_cast<size_t>(*unk_id) >= pieces.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(what), ".unk_id is ", unk_id ? absl::StrCat(*unk_id) : "missing",
                     ", accepted is the place of the unknown token among ", pieces.size()));
  }
  Vocabulary vocabulary;
  std::vector<double> scores;
  scores.reserve(pieces.size());
  for (UnigramPiece& piece : pieces) {
    vocabulary.Set(std::move(piece.token), static_cast<int32_t>(scores.size()));
    scores.push_back(piece.score);
  }
  return Unigram(std::move(vocabulary), std::move(scores), *unk_id, byte_fallback);
}

Unigram::Unigram(Vocabulary vocabulary, std::vector<double> scores, int32_t unk_id, bool byte_fallback)
    : vocabulary_(std::move(vocabulary)),
      scores_(std::move(scores)),
      unknown_score_(*std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty),
      unk_id_(unk_id),
      trie_(Entries(vocabulary_)) {
  byte_ids_.fill(-1);
  for (int byte = 0; byte < 256 && byte_fallback; ++byte)
    byte_ids_[byte] = vocabulary_.Find(absl::StrFormat("<0x%02X>", byte)).value_or(-1);
}

void Unigram::AppendUnknown(std::string_view word, ByteRange range, TokenSink& tokens) const {
  const std::string_view text = word.substr(range.begin, range.size());
  const auto id_of = [this](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (const std::optional<int32_t> id = vocabulary_.Find(text)) {
    tokens.Add(*id, range.begin, range.end);
  } else if (std::all_of(text.begin(), text.end(), [&](char byte) { return id_of(byte) >= 0; })) {
    for (const char byte : text) tokens.Add(id_of(byte), range.begin, range.end);
  } else {
    tokens.Add(unk_id_, range.begin, range.end);
  }
}

void Unigram::Tokenize(std::string_view word, TokenSink& tokens) const {
  absl::InlinedVector<Node, 64> best(word.size() + 1);
  const auto reach = [&](size_t end, size_t begin, double score, int32_t id) {
    Node& node = best[end];
    if (node.begin < 0 || score > node.score) node = {score, id, static_cast<int32_t>(begin)};
  };
  for (size_t at = 0; at < word.size();) {
    const size_t character = CharacterSize(word, at);
    const double before = best[at].score;
    bool known = false;  // the character alone is a piece
    trie_.ForEachPrefix(word.substr(at), [&](size_t length, int32_t id) {
      reach(at + length, at, scores_[id] + before, id);
      known = known || length == character;
    });
    if (!known) reach(at + character, at, unknown_score_ + before, unk_id_);
    at += character;
  }
  absl::InlinedVector<std::pair<int32_t, ByteRange>, 16> path;  // from the end; neighbours unknown are one
  for (size_t end = word.size(); end > 0;) {
    const Node& node = best[end];
    const auto begin = static_cast<size_t>(node.begin);
    if (node.id == unk_id_ && !path.empty() && path.back().first == unk_id_) {
      path.back().second.begin = begin;
    } else {
      path.emplace_back(node.id, ByteRange{begin, end});
    }
    end = begin;
  }
  for (auto piece = path.rbegin(); piece != path.rend(); ++piece) {
    const auto& [id, range] = *piece;
    if (id == unk_id_) {
      AppendUnknown(word, range, tokens);
    } else {
      tokens.Add(id, range.begin, range.end);
    }
  }
}

}  // namespace kprune
