// README.md of a pruned model: its model card, as model hubs show it.
#ifndef KPRUNE_ENGINE_EVALUATION_MODEL_CARD_H_
#define KPRUNE_ENGINE_EVALUATION_MODEL_CARD_H_

#include <string>

#include "nlohmann/json.hpp"

namespace kprune {

// Markdown with a YAML header: what it is, before and after, how to load it (the formats that are there),
// what was pruned, how it was judged and what that does not say, how to make it again. `report` is
// MakeReport's, with or without its "outputs"; no text in it becomes markup. Nothing that was timed is in it,
// so the same job writes the same card. Thread-safe: pure.
std::string ModelCard(const nlohmann::json& report);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_MODEL_CARD_H_
