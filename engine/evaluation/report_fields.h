// Fields of a report as the pages about it read them: what is absent or of another type is left out, never an
// error. Pure functions; thread-safe.
#ifndef KPRUNE_ENGINE_EVALUATION_REPORT_FIELDS_H_
#define KPRUNE_ENGINE_EVALUATION_REPORT_FIELDS_H_

#include <optional>
#include <string>
#include <utility>

#include "nlohmann/json.hpp"

namespace kprune {

// What stands at `pointer` ("/flops/kept"); null where there is nothing.
const nlohmann::json& FieldAt(const nlohmann::json& object, const char* pointer);

// Finite numbers only.
std::optional<double> NumberIn(const nlohmann::json& object, const char* pointer);

// A string as it is, any other value as JSON; "" where there is nothing, or null.
std::string TextIn(const nlohmann::json& object, const char* pointer);

// [low, high].
std::optional<std::pair<double, double>> IntervalIn(const nlohmann::json& object, const char* pointer);

bool IsAttention(const nlohmann::json& sublayer);

// Which layers apply a sublayer: "3", or where several do "0 to 11".
std::string LayersText(const nlohmann::json& sublayer);

// "ended early: 5 of 12 sublayers are pruned"; "" for a model that is pruned as was asked.
std::string EndedEarlyText(const nlohmann::json& report);

// The number of agreement that says most: "top1", "cosine" or "spearman", the first that is there; "" where
// there is none.
std::string MainAgreement(const nlohmann::json& report);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_REPORT_FIELDS_H_
