// How a pruned model is loaded, as sections of a Markdown document. Pure functions; thread-safe.
#ifndef KPRUNE_ENGINE_EVALUATION_LOADING_EXAMPLES_H_
#define KPRUNE_ENGINE_EVALUATION_LOADING_EXAMPLES_H_

#include <string>

#include "nlohmann/json.hpp"

namespace kprune {

// One example each of the formats that a report's "verification" and options say are in the folder.
std::string LoadingExamples(const nlohmann::json& report);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_LOADING_EXAMPLES_H_
