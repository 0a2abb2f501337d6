// The tokenizer classes of transformers: what their special tokens are called, and which files they are made
// of where there is no tokenizer.json.
#ifndef KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_CLASS_H_
#define KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_CLASS_H_

#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace kprune {

// A special token of a class unless its configuration says otherwise.
struct SpecialTokenDefault {
  std::string_view role;  // "cls_token"
  std::string_view content;
  bool lstrip = false;
  bool normalized = false;
};

// The role of tokens that have no other; a class may have several.
inline constexpr std::string_view kAdditionalSpecials = "additional_special_tokens";

// What a class makes a tokenizer from where there is no tokenizer.json.
enum class NativeFiles { kNone, kVocabTxt, kMerges, kSentencepiece };

struct TokenizerClass {
  std::string_view name;  // without "Tokenizer" and "TokenizerFast"
  NativeFiles files = NativeFiles::kNone;
  std::vector<SpecialTokenDefault> specials;
};

// nullptr where the name ("BertTokenizerFast") is of no class that is supported.
const TokenizerClass* FindTokenizerClass(std::string_view name);

// The class of a model whose tokenizer_config.json names none, by config.json's model_type; nullptr where the
// files decide.
const TokenizerClass* TokenizerClassOfModel(std::string_view model_type);

absl::Span<const TokenizerClass> TokenizerClasses();

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_TOKENIZER_CLASS_H_
