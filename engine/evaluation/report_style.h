// The style sheet of report.html: report.css, as it stands beside this header, compiled in.
#ifndef KPRUNE_ENGINE_EVALUATION_REPORT_STYLE_H_
#define KPRUNE_ENGINE_EVALUATION_REPORT_STYLE_H_

#include <string_view>

namespace kprune {

// Its bytes; no "<" is in it.
extern const std::string_view kReportStyle;

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_REPORT_STYLE_H_
