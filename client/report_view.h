// report.json (design: result folder) as a page of text.
#ifndef KPRUNE_CLIENT_REPORT_VIEW_H_
#define KPRUNE_CLIENT_REPORT_VIEW_H_

#include <string>

#include "nlohmann/json.hpp"

namespace kprune::client {

// Of a result of several models a table that compares them. Else before and after, what judged it, a map of
// the heads and neurons kept in each layer, and a table of the sublayers. Parts whose fields are absent are
// left out.
std::string ReportText(const nlohmann::json& report);

// The few lines of ReportText that `kprune run` prints when it is done.
std::string ReportHeadline(const nlohmann::json& report);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_REPORT_VIEW_H_
