// The sections of report.html about where a result comes from. Pure functions; thread-safe.
#ifndef KPRUNE_ENGINE_EVALUATION_PROVENANCE_HTML_H_
#define KPRUNE_ENGINE_EVALUATION_PROVENANCE_HTML_H_

#include <string>

#include "nlohmann/json.hpp"

namespace kprune {

// The command, and all options.
std::string ReproductionSection(const nlohmann::json& report);

// Machine, times, versions and the digests of what was read.
std::string CircumstancesSection(const nlohmann::json& report);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_PROVENANCE_HTML_H_
