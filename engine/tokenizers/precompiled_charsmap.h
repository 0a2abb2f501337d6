// Sentencepiece's normalisation, compiled into a table: "Precompiled". Source: sentencepiece's
// builder.cc (four bytes of size, a trie of Darts-clone, the replacements with a zero byte after each), and
// the way in which Hugging Face's tokenizers read it.
#ifndef KPRUNE_ENGINE_TOKENIZERS_PRECOMPILED_CHARSMAP_H_
#define KPRUNE_ENGINE_TOKENIZERS_PRECOMPILED_CHARSMAP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenizers/normalizer.h"

namespace kprune {

// Thread-safe: immutable.
class PrecompiledCharsmap : public Normalizer {
 public:
  // INVALID_ARGUMENT, beginning with `what`, where the sizes do not fit or the replacements are no UTF-8. An
  // empty table changes nothing.
  static absl::StatusOr<PrecompiledCharsmap> Read(std::string_view blob, std::string_view what);

  void Normalize(AlignedText& text) const override;

 private:
  PrecompiledCharsmap() = default;

  // What stands for the shortest entry that `text` begins with.
  std::optional<std::string_view> Replacement(std::string_view text) const;

  // Constant after Read.
  std::vector<uint32_t> trie_;
  std::string replacements_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_PRECOMPILED_CHARSMAP_H_
