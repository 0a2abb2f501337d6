#include "server/jobs/job_error.h"

#include <string>

namespace kprune {

JobError ToJobError(const absl::Status& status) {
  return {absl::StatusCodeToString(status.code()), std::string(status.message())};
}

absl::Status ToStatus(const JobError& error) {
  for (int code = 1; code <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++code) {
    const auto candidate = static_cast<absl::StatusCode>(code);
    if (absl::StatusCodeToString(candidate) == error.code) return absl::Status(candidate, error.message);
  }
  return absl::InternalError(error.message);
}

}  // namespace kprune
