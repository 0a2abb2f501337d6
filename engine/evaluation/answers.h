// Answers that a question-answering model gives, and how right they are by SQuAD 1.1's definition.
//
// Shapes: T rows of outputs, one for every token of every sequence; 2 columns, start and end.
#ifndef KPRUNE_ENGINE_EVALUATION_ANSWERS_H_
#define KPRUNE_ENGINE_EVALUATION_ANSWERS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "engine/data/samples.h"

namespace kprune {

// An answer has this many tokens at most.
inline constexpr int64_t kMostAnswerTokens = 30;

// Of one question: tokens start .. end of one of its sequences.
struct Answer {
  int64_t sequence = 0;  // index into the samples
  int64_t start = 0;
  int64_t end = 0;

  bool operator==(const Answer&) const = default;
};

// Of every line of the samples (LineOffsets) the answer whose start and end logits have the largest sum, over
// all its windows: in the context, the end not before the start. Of token ids without text the context is
// what has token type 1, or everything.
std::vector<Answer> BestAnswers(const at::Tensor& outputs_T2, absl::Span<const Sample> samples);

// The characters of the context that it stands for; of token ids, the tokens.
TextSpan SpanOf(const Answer& answer, absl::Span<const Sample> samples);

// As UTF-8; of token ids, "tokens 3 to 5".
std::string TextOf(const Answer& answer, absl::Span<const Sample> samples);

// Lower case, without punctuation, articles and superfluous blanks.
std::string NormalizedAnswer(std::string_view text);

// F1 of the words of both, normalised, and whether they are equal; the best over all that are right.
double AnswerF1(std::string_view found, absl::Span<const std::string> right);
bool IsExactly(std::string_view found, absl::Span<const std::string> right);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_ANSWERS_H_
