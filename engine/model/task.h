// What a model is asked to do with a sequence.
#ifndef KPRUNE_ENGINE_MODEL_TASK_H_
#define KPRUNE_ENGINE_MODEL_TASK_H_

#include <array>

namespace kprune {

enum class Task {
  kSingleLabel,          // text- or image-classification, softmax over num_labels
  kMultiLabel,           // text- or image-classification, a sigmoid for each label
  kRegression,           // text- or image-classification, one real output
  kTokenClassification,  // token-classification, softmax over num_labels for every token
  kQuestionAnswering,  // question-answering, softmaxes over the tokens for the start and the end of an answer
  kMaskedLm,           // fill-mask, softmax over the vocabulary for every masked token
  kMultipleChoice,     // multiple-choice, softmax over the sequences of a sample, one output each
  kEmbedding,          // feature-extraction, one vector of hidden_size
};

// A task's public name, one of kTasks, and how transformers calls the classes of its models: "BertFor" and
// that; nothing for base models.
struct TaskNames {
  Task task;
  const char* name;
  const char* classes;
  bool images = false;  // of families that look at images, where these have names of their own
};

inline constexpr std::array kTaskNames = {
    TaskNames{Task::kSingleLabel, "text-classification", "SequenceClassification"},
    TaskNames{Task::kMultiLabel, "text-classification", "SequenceClassification"},
    TaskNames{Task::kRegression, "text-classification", "SequenceClassification"},
    TaskNames{Task::kSingleLabel, "image-classification", "ImageClassification", true},
    TaskNames{Task::kMultiLabel, "image-classification", "ImageClassification", true},
    TaskNames{Task::kRegression, "image-classification", "ImageClassification", true},
    TaskNames{Task::kTokenClassification, "token-classification", "TokenClassification"},
    TaskNames{Task::kQuestionAnswering, "question-answering", "QuestionAnswering"},
    TaskNames{Task::kMaskedLm, "fill-mask", "MaskedLM"},
    TaskNames{Task::kMultipleChoice, "multiple-choice", "MultipleChoice"},
    TaskNames{Task::kEmbedding, "feature-extraction", nullptr},
};

// Of a family that looks at `images` or at text.
constexpr const TaskNames& NamesOf(Task task, bool images) {
  for (const TaskNames& names : kTaskNames) {
    if (names.task == task && names.images == images) return names;
  }
  return kTaskNames.back();
}

// Whether outputs are logits: of classes, tokens, places or choices.
constexpr bool HasClasses(Task task) { return task != Task::kRegression && task != Task::kEmbedding; }

// Whether a sequence has a row of outputs for each of its tokens, or of those that count.
constexpr bool HasTokenOutputs(Task task) {
  return task == Task::kTokenClassification || task == Task::kQuestionAnswering || task == Task::kMaskedLm;
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_TASK_H_
