// report.html: a report as a page for people.
#ifndef KPRUNE_ENGINE_EVALUATION_REPORT_HTML_H_
#define KPRUNE_ENGINE_EVALUATION_REPORT_HTML_H_

#include <string>

#include "nlohmann/json.hpp"

namespace kprune {

// One self-contained page: no script, nothing that is loaded. `report` is MakeReport's or MakeParetoReport's,
// with or without its "outputs"; what it does not have is left out of the page, and no text in it becomes
// markup. Thread-safe: pure.
std::string ReportHtml(const nlohmann::json& report);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_REPORT_HTML_H_
