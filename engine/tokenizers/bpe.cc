#include "engine/tokenizers/bpe.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/formats/quoted.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

constexpr int32_t kNone = -1;

uint64_t PairKey(int32_t first, int32_t second) {
  return static_cast<uint64_t>(first) << 32 | static_cast<uint32_t>(second);
}

}  // namespace

Bpe::Bpe(Vocabulary vocabulary, BpeOptions options)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
  if (options_.unk_token) unk_id_ = vocabulary_.Find(*options_.unk_token);
  for (int byte = 0; byte < 256; ++byte)
    byte_ids_[byte] = vocabulary_.Find(absl::StrFormat("<0x%02X>", byte));
}

absl::StatusOr<Bpe> Bpe::Create(Vocabulary vocabulary,
                                const std::vector<std::pair<std::string, std::string>>& merges,
                                BpeOptions options, std::string_view what) {
  Bpe bpe(std::move(vocabulary), std::move(options));
  const auto lacks = [&](std::string_view token, std::string_view role) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(what), ".vocab lacks ", Quoted(token), ", ", std::string(role)));
  };
  if (bpe.options_.unk_token && !bpe.unk_id_) return lacks(*bpe.options_.unk_token, "the unk_token");
  const size_t prefix = bpe.options_.continuing_subword_prefix.size();
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [first, second] = merges[rank];
    const std::string merged = first + (second.size() >= prefix ? second.substr(prefix) : "");
    std::array<int32_t, 3> ids;
    const std::string* const tokens[] = {&first, &second, &merged};
    for (size_t i = 0; i < ids.size(); ++i) {
      const std::optional<int32_t> id = bpe.vocabulary_.Find(*tokens[i]);
      if (!id) return lacks(*tokens[i], absl::StrCat("a token of merge ", rank + 1));
      ids[i] = *id;
    }
    bpe.merges_.insert_or_assign(PairKey(ids[0], ids[1]), Merge{static_cast<int32_t>(rank), ids[2]});
  }
  bpe.is_whole_.resize(bpe.vocabulary_.end_id());
  bpe.vocabulary_.ForEach([&](std::string_view token, int32_t id) {
    if (token.empty()) return;
    std::vector<int32_t> ids;
    TokenSink sink(ids, nullptr);
    bpe.TokenizeByMerging(token, sink);
    bpe.is_whole_[id] = bpe.options_.ignore_merges || ids == std::vector<int32_t>{id};
  });
  return bpe;
}

void Bpe::Tokenize(std::string_view word, TokenSink& tokens) const {
  if (const std::optional<int32_t> id = vocabulary_.Find(word); id && is_whole_[*id]) {
    tokens.Add(*id, 0, word.size());
  } else {
    TokenizeByMerging(word, tokens);
  }
}

void Bpe::TokenizeByMerging(std::string_view word, TokenSink& tokens) const {
  std::vector<Symbol> symbols = Symbols(word);
  MergeAll(symbols);
  size_t at = 0;
  for (const Symbol& symbol : symbols) {
    if (symbol.size == 0) continue;
    tokens.Add(symbol.id, at, at + symbol.size);
    at += symbol.size;
  }
}

bool Bpe::AppendBytes(std::string_view character, std::vector<Symbol>& symbols) const {
  const auto id_of = [this](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (!std::all_of(character.begin(), character.end(), id_of)) return false;
  for (const char byte : character) symbols.push_back({*id_of(byte), kNone, kNone, 1});
  return true;
}

std::vector<Bpe::Symbol> Bpe::Symbols(std::string_view word) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  uint32_t unknown = 0;  // bytes of unk_token that is not yet in `symbols`
  const auto add_unknown = [&] {
    if (unknown > 0) symbols.push_back({*unk_id_, kNone, kNone, unknown});
    unknown = 0;
  };
  std::string spelled;
  for (size_t at = 0; at < word.size();) {
    const auto size = static_cast<uint32_t>(CharacterSize(word, at));
    std::string_view character = word.substr(at, size);
    const bool first = at == 0, last = at + size == word.size();
    at += size;
    if ((!first && !options_.continuing_subword_prefix.empty()) ||
        (last && !options_.end_of_word_suffix.empty())) {
      spelled = absl::StrCat(first ? "" : options_.continuing_subword_prefix, std::string(character),
                             last ? options_.end_of_word_suffix : "");
      character = spelled;
    }
    if (const std::optional<int32_t> id = vocabulary_.Find(character)) {
      add_unknown();
      symbols.push_back({*id, kNone, kNone, size});
    } else if (options_.byte_fallback && AppendBytes(character, symbols)) {
      // An unknown one before stays open, as in the library.
    } else if (unk_id_) {
      if (!options_.fuse_unk) add_unknown();
      unknown += size;
    }
  }
  add_unknown();
  for (size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].previous = static_cast<int32_t>(i) - 1;
    symbols[i].next = i + 1 < symbols.size() ? static_cast<int32_t>(i) + 1 : kNone;
  }
  return symbols;
}

const Bpe::Merge* Bpe::FindMerge(const std::vector<Symbol>& symbols, int32_t at) const {
  if (at == kNone || symbols[at].next == kNone) return nullptr;
  const auto found = merges_.find(PairKey(symbols[at].id, symbols[symbols[at].next].id));
  return found == merges_.end() ? nullptr : &found->second;
}

void Bpe::MergeAll(std::vector<Symbol>& symbols) const {
  // The lowest rank first, the leftmost where there are several; ids tell entries that are out of date.
  using Entry = std::tuple<int32_t, int32_t, int32_t>;  // rank, place, id
  std::vector<Entry> storage;
  storage.reserve(symbols.size());
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue(std::greater<>(), std::move(storage));
  const auto consider = [&](int32_t at) {
    if (const Merge* merge = FindMerge(symbols, at)) queue.emplace(merge->rank, at, merge->id);
  };
  for (size_t at = 0; at < symbols.size(); ++at) consider(static_cast<int32_t>(at));
  while (!queue.empty()) {
    const auto [rank, at, id] = queue.top();
    queue.pop();
    Symbol& symbol = symbols[at];
    const Merge* merge = symbol.size > 0 ? FindMerge(symbols, at) : nullptr;
    if (merge == nullptr || merge->id != id) continue;
    Symbol& right = symbols[symbol.next];
    symbol.id = id;
    symbol.size += right.size;
    right.size = 0;
    symbol.next = right.next;
    if (symbol.next != kNone) symbols[symbol.next].previous = at;
    consider(symbol.previous);
    consider(at);
  }
}

}  // namespace kprune
