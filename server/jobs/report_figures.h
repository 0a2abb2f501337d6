// The figures of a result that metrics tell, read from what the worker wrote; nothing of it is trusted.
#ifndef KPRUNE_SERVER_JOBS_REPORT_FIGURES_H_
#define KPRUNE_SERVER_JOBS_REPORT_FIGURES_H_

#include <filesystem>
#include <string_view>
#include <vector>

#include "kprune/job.h"
#include "kprune/metrics.h"

namespace kprune {

// Of one report.json. What is missing, no number or no share is left out; an agreement below 0 is 0.
ReportFigures ParseReportFigures(std::string_view report_json);

// Of every model of a result: `files` are those of result/ in the job directory. A report that cannot be read,
// and the one that only compares several models, has none.
std::vector<ReportFigures> ReadReportFigures(const std::filesystem::path& job_directory, const Manifest& files);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_REPORT_FIGURES_H_
