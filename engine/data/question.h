// What extractive question answering needs beside tokens: where tokens stand in the text, and what was asked.
#ifndef KPRUNE_ENGINE_DATA_QUESTION_H_
#define KPRUNE_ENGINE_DATA_QUESTION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/tokenizers/text_span.h"

namespace kprune {

// One line of the data.
struct Question {
  std::u32string context;
  std::vector<std::string> answers;  // all that are right; empty where the line is not labelled
};

// The part of a context that one sequence holds; the windows of a question follow each other.
struct QuestionWindow {
  std::shared_ptr<const Question> question;  // shared by its windows
  int32_t first = 0;                         // token of the sequence at which the context begins
  std::vector<TextSpan> spans;               // of the context's tokens, from `first` on
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_QUESTION_H_
