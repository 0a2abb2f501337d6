// Where a token stands in its text.
#ifndef KPRUNE_ENGINE_TOKENIZERS_TEXT_SPAN_H_
#define KPRUNE_ENGINE_TOKENIZERS_TEXT_SPAN_H_

#include <cstdint>

namespace kprune {

// Characters (code points) begin .. end - 1 of a text.
struct TextSpan {
  int32_t begin = 0;
  int32_t end = 0;

  bool operator==(const TextSpan&) const = default;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_TEXT_SPAN_H_
