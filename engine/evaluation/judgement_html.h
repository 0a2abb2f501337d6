// The sections of report.html about how good the model is. Each is "" where the report has nothing for it.
// Pure functions; thread-safe.
#ifndef KPRUNE_ENGINE_EVALUATION_JUDGEMENT_HTML_H_
#define KPRUNE_ENGINE_EVALUATION_JUDGEMENT_HTML_H_

#include <string>

#include "nlohmann/json.hpp"

namespace kprune {

// Metric and agreement with their intervals.
std::string JudgementSection(const nlohmann::json& report);

// The models that max_drop tried.
std::string DropSection(const nlohmann::json& report);

// The settings that the method tried.
std::string SettingSection(const nlohmann::json& report);

// The samples whose prediction is another one.
std::string FlippedSection(const nlohmann::json& report);

// The formats that were run, by whom, and how far off they were.
std::string VerificationSection(const nlohmann::json& report);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_JUDGEMENT_HTML_H_
