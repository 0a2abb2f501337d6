// Jobs as tables, JSON or names.
#ifndef KPRUNE_CLIENT_JOB_VIEW_H_
#define KPRUNE_CLIENT_JOB_VIEW_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kprune/v1/job.pb.h"

namespace kprune::client {

enum class JobFormat { kTable, kWide, kJson, kName };

// `now` is what ages and running times are counted from. In a table, a job's error stands in a column when
// wide, and below a single job's row always. JSON: one job as an object, several as {"jobs": [...]}.
std::string JobText(const kprune::v1::Job& job, JobFormat format, absl::Time now);
std::string JobsText(const std::vector<kprune::v1::Job>& jobs, JobFormat format, absl::Time now);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_JOB_VIEW_H_
