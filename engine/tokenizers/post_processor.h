// The special tokens around texts, and what else is done when their tokens are known: the "post_processor" of
// tokenizer.json.
#ifndef KPRUNE_ENGINE_TOKENIZERS_POST_PROCESSOR_H_
#define KPRUNE_ENGINE_TOKENIZERS_POST_PROCESSOR_H_

#include <cstdint>
#include <optional>
#include <vector>

namespace kprune {

// One part of a sequence: special tokens, the first text or the second.
struct TemplatePiece {
  enum class Source { kSpecial, kFirst, kSecond };
  Source source = Source::kSpecial;
  std::vector<int32_t> ids;  // kSpecial only
  int32_t type_id = 0;
};
using Template = std::vector<TemplatePiece>;

// Tokens of byte-level models begin with their blank: whether the places of tokens include it.
struct OffsetTrimming {
  // The first token's blank was put there and is in no text.
  bool add_prefix_space = true;
};

struct PostProcessor {
  Template single;                         // holds kFirst once
  Template pair;                           // holds kFirst and kSecond once each
  std::optional<OffsetTrimming> trimming;  // none: places include all white space
};

// [CLS] A [SEP] and [CLS] A [SEP] B [SEP], and no special tokens at all.
PostProcessor BertProcessor(int32_t cls_id, int32_t sep_id);
PostProcessor PlainProcessor();
// <s> A </s> and <s> A </s></s> B </s>, of one type.
PostProcessor RobertaProcessor(int32_t cls_id, int32_t sep_id, std::optional<OffsetTrimming> trimming);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_POST_PROCESSOR_H_
