// report.html of a result of several models.
#ifndef KPRUNE_ENGINE_EVALUATION_PARETO_HTML_H_
#define KPRUNE_ENGINE_EVALUATION_PARETO_HTML_H_

#include <string>

#include "nlohmann/json.hpp"

namespace kprune {

// A page like ReportHtml's that compares the models of MakeParetoReport's `report` and links to their own
// pages. Thread-safe: pure.
std::string ParetoHtml(const nlohmann::json& report);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_PARETO_HTML_H_
