// The sections of report.html about how fast the model is. Each is "" where the report has nothing for it.
// Pure functions; thread-safe.
#ifndef KPRUNE_ENGINE_EVALUATION_LATENCY_HTML_H_
#define KPRUNE_ENGINE_EVALUATION_LATENCY_HTML_H_

#include <string>

#include "nlohmann/json.hpp"

namespace kprune {

// Before and after, as bars and, where it was measured, over batch sizes.
std::string LatencySection(const nlohmann::json& report);

// The milliseconds that were asked for, and what the table says of the result.
std::string LatencyBudgetSection(const nlohmann::json& report);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_LATENCY_HTML_H_
