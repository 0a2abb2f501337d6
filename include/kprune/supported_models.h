// What models can be pruned: the lists that servers tell and documents show. The engine has a row for each
// family (engine/model/family.cc).
#ifndef KPRUNE_SUPPORTED_MODELS_H_
#define KPRUNE_SUPPORTED_MODELS_H_

#include <array>

namespace kprune {

// config.json's "model_type".
inline constexpr std::array kFamilies = {"albert",     "bert", "camembert", "deberta-v2", "distilbert", "electra", "gte",
                                        "modernbert", "mpnet", "nomic_bert", "roberta", "xlm-roberta"};

// Names as Hugging Face's pipelines and hub have them.
inline constexpr std::array kTasks = {"text-classification", "token-classification", "question-answering",
                                      "fill-mask",           "multiple-choice",      "feature-extraction"};

}  // namespace kprune

#endif  // KPRUNE_SUPPORTED_MODELS_H_
