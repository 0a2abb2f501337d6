#include "client/job_view.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/event_text.h"
#include "client/json_text.h"
#include "client/quantities.h"
#include "client/text_table.h"
#include "kprune/v1/job_service.pb.h"

namespace kprune::client {
namespace {

namespace v1 = kprune::v1;

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

// How long the current attempt has run, or the last one ran.
std::string Duration(const v1::Job& job, absl::Time now) {
  if (!job.has_start_time()) return "-";
  const absl::Time end = job.has_end_time() ? ToTime(job.end_time()) : now;
  return FormatSeconds(absl::ToDoubleSeconds(end - ToTime(job.start_time())));
}

std::string ErrorText(const v1::Job& job) {
  return job.has_error() ? absl::StrCat(job.error().code(), ": ", job.error().message()) : "";
}

std::string ResultSize(const v1::Job& job) {
  double bytes = 0;
  for (const v1::File& file : job.result()) bytes += static_cast<double>(file.size());
  return job.result_size() == 0 ? "-" : FormatBytes(bytes);
}

std::string StateText(const v1::Job& job) {
  return absl::StrCat(StateName(job.state()), job.ending_early() ? " (ending early)" : "");
}

// "0.5", "0.7,0.5", "drop 2", "5 ms", or "-" for the default.
std::string BudgetText(const v1::Options& options) {
  if (options.has_max_drop()) return absl::StrCat("drop ", FormatNumber(options.max_drop()));
  if (options.has_target_latency_ms()) return absl::StrCat(FormatNumber(options.target_latency_ms()), " ms");
  if (options.keep_flops().empty()) return "-";
  return absl::StrJoin(options.keep_flops(), ",",
                       [](std::string* out, double keep) { *out += FormatNumber(keep); });
}

std::vector<std::string> Row(const v1::Job& job, bool wide, absl::Time now) {
  std::vector<std::string> cells = {
      job.name(), StateText(job), FormatPercent(job.progress()), Duration(job, now),
      job.has_create_time() ? FormatSeconds(absl::ToDoubleSeconds(now - ToTime(job.create_time()))) : "-"};
  if (!wide) return cells;
  const v1::Options& options = job.spec().options();
  cells.push_back(absl::StrCat(job.attempt()));
  cells.push_back(BudgetText(options));
  cells.push_back(job.preflight().family().empty() ? "-" : job.preflight().family());
  cells.push_back(job.preflight().task().empty() ? "-" : job.preflight().task());
  cells.push_back(ResultSize(job));
  cells.push_back(ErrorText(job));
  return cells;
}

std::string Table(const std::vector<v1::Job>& jobs, bool wide, absl::Time now) {
  std::vector<std::string> header = {"NAME", "STATE", "DONE", "TIME", "AGE"};
  if (wide) {
    for (const char* title : {"ATTEMPT", "KEEP", "FAMILY", "TASK", "RESULT", "ERROR"})
      header.push_back(title);
  }
  TextTable table(header);
  for (const v1::Job& job : jobs) table.AddRow(Row(job, wide, now));
  return table.ToString();
}

}  // namespace

std::string JobText(const v1::Job& job, JobFormat format, absl::Time now) {
  switch (format) {
    case JobFormat::kJson:
      return ToJson(job, JsonStyle::kPretty);
    case JobFormat::kName:
      return absl::StrCat(job.name(), "\n");
    case JobFormat::kWide:
      return Table({job}, true, now);
    case JobFormat::kTable:
      break;
  }
  std::string text = Table({job}, false, now);
  if (job.has_error()) absl::StrAppend(&text, ErrorText(job), "\n");
  if (job.state() == v1::CANCELLED && job.result_size() > 0) {
    absl::StrAppend(&text, "what was finished is kept (", ResultSize(job), "): kprune fetch ", job.name(),
                    "\n");
  }
  return text;
}

std::string JobsText(const std::vector<v1::Job>& jobs, JobFormat format, absl::Time now) {
  if (format == JobFormat::kJson) {
    v1::ListJobsResponse list;
    for (const v1::Job& job : jobs) *list.add_jobs() = job;
    return ToJson(list, JsonStyle::kPretty);
  }
  if (format != JobFormat::kName) return Table(jobs, format == JobFormat::kWide, now);
  std::string text;
  for (const v1::Job& job : jobs) absl::StrAppend(&text, job.name(), "\n");
  return text;
}

}  // namespace kprune::client
