#include "engine/tokenizers/precompiled_charsmap.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/tokenizers/graphemes.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

// Clusters of more bytes are looked up character by character.
constexpr size_t kLongestCluster = 5;

uint32_t ReadUint32(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// A unit of the trie: where its children are, its label, and whether an entry ends there.
uint32_t Offset(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }
uint32_t Label(uint32_t unit) { return unit & (1u << 31 | 0xFF); }
bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1) == 1; }
uint32_t Value(uint32_t unit) { return unit & 0x7FFF'FFFF; }

// Collects the changes to a text; records them one by one where the text is aligned.
class Replacer {
 public:
  explicit Replacer(AlignedText& text) : text_(text) {}

  void Keep(ByteRange range) {
    if (!text_.aligned()) return plain_.append(text_.text(), range.begin, range.size()), void();
    for (size_t at = range.begin; at < range.end;) changes_.push_back({NextCharacter(text_.text(), at), 0});
  }

  void Replace(ByteRange range, std::string_view replacement) {
    changed_ = true;
    if (!text_.aligned()) return plain_.append(replacement), void();
    const auto before = static_cast<int32_t>(CountCharacters(text_.View(range)));
    const auto after = static_cast<int32_t>(CountCharacters(replacement));
    int32_t place = 0;
    for (size_t at = 0; at < replacement.size(); ++place)
      changes_.push_back({NextCharacter(replacement, at), place < before ? 0 : 1});
    // As in the library, nothing is noted where the text begins with what is removed.
    if (after < before && !changes_.empty()) changes_.back().change -= before - after;
  }

  void Finish() {
    if (!changed_) return;
    if (text_.aligned()) {
      text_.Transform(changes_, 0);
    } else {
      text_ = AlignedText(std::move(plain_), false);
    }
  }

 private:
  AlignedText& text_;
  bool changed_ = false;
  std::string plain_;
  std::vector<CharacterChange> changes_;
};

}  // namespace

absl::StatusOr<PrecompiledCharsmap> PrecompiledCharsmap::Read(std::string_view blob, std::string_view what) {
  PrecompiledCharsmap charsmap;
  if (blob.empty()) return charsmap;
  const uint32_t trie_bytes = blob.size() < 4 ? 0 : ReadUint32(blob);
  if (blob.size() < 4 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - 4) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(what), " has ", blob.size(), " bytes, which is not what its trie needs"));
  }
  blob.remove_prefix(4);
  charsmap.trie_.reserve(trie_bytes / 4);
  for (size_t at = 0; at < trie_bytes; at += 4) charsmap.trie_.push_back(ReadUint32(blob.substr(at)));
  charsmap.replacements_ = blob.substr(trie_bytes);
  if (RepairUtf8(charsmap.replacements_) != charsmap.replacements_)
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(what), " has replacements that are not UTF-8"));
  return charsmap;
}

std::optional<std::string_view> PrecompiledCharsmap::Replacement(std::string_view text) const {
  if (trie_.empty()) return std::nullopt;
  uint32_t node = Offset(trie_[0]);
  for (const char byte : text) {
    node ^= static_cast<unsigned char>(byte);
    if (byte == 0 || node >= trie_.size() || Label(trie_[node]) != static_cast<unsigned char>(byte)) break;
    const uint32_t unit = trie_[node];
    node ^= Offset(unit);
    if (node >= trie_.size()) break;
    if (!HasLeaf(unit)) continue;
    const uint32_t begin = Value(trie_[node]);
    if (begin >= replacements_.size() || !IsLeadByte(replacements_[begin])) break;
    return std::string_view(replacements_).substr(begin, replacements_.find('\0', begin) - begin);
  }
  return std::nullopt;
}

void PrecompiledCharsmap::Normalize(AlignedText& text) const {
  Replacer replacer(text);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = EndOfGrapheme(text.text(), begin);
    const ByteRange cluster = {begin, end};
    begin = end;
    if (cluster.size() <= kLongestCluster) {
      if (const auto replacement = Replacement(text.View(cluster))) {
        replacer.Replace(cluster, *replacement);
        continue;
      }
    }
    for (size_t at = cluster.begin; at < cluster.end;) {
      const ByteRange character = {at, at + CharacterSize(text.text(), at)};
      at = character.end;
      if (const auto replacement = Replacement(text.View(character))) {
        replacer.Replace(character, *replacement);
      } else {
        replacer.Keep(character);
      }
    }
  }
  replacer.Finish();
}

}  // namespace kprune
