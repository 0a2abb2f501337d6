// The sections of report.html about what was removed where. Each is "" where the report has nothing for it.
// Pure functions; thread-safe.
#ifndef KPRUNE_ENGINE_EVALUATION_LAYERS_HTML_H_
#define KPRUNE_ENGINE_EVALUATION_LAYERS_HTML_H_

#include <string>

#include "nlohmann/json.hpp"

namespace kprune {

// Heads and neurons kept, as a map coloured by their share.
std::string LayerMapSection(const nlohmann::json& report);

// How each sublayer was refitted.
std::string SublayersSection(const nlohmann::json& report);

// The loss predicted against the units removed.
std::string CurvesSection(const nlohmann::json& report);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_LAYERS_HTML_H_
