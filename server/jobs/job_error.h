// A job's error and a status are the same thing in two forms.
#ifndef KPRUNE_SERVER_JOBS_JOB_ERROR_H_
#define KPRUNE_SERVER_JOBS_JOB_ERROR_H_

#include <cstddef>

#include "absl/status/status.h"
#include "kprune/job.h"

namespace kprune {

// Longer sentences of a worker are cut here, in events and in errors.
inline constexpr size_t kMaxSentenceBytes = 4096;

// `status` must not be OK.
JobError ToJobError(const absl::Status& status);

// A code that is no canonical name becomes INTERNAL.
absl::Status ToStatus(const JobError& error);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_JOB_ERROR_H_
