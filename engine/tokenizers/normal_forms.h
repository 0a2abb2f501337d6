// Unicode's normal forms. Source: UAX #15, with the characters that Hugging Face's tokenizers know (Unicode
// 9).
#ifndef KPRUNE_ENGINE_TOKENIZERS_NORMAL_FORMS_H_
#define KPRUNE_ENGINE_TOKENIZERS_NORMAL_FORMS_H_

#include <string_view>
#include <vector>

#include "engine/tokenizers/aligned_text.h"

namespace kprune {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// What becomes of the characters of `text`, which is valid UTF-8. Thread-safe: pure.
std::vector<CharacterChange> Normalized(std::string_view text, NormalForm form);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_NORMAL_FORMS_H_
