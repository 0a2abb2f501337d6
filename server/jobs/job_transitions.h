// The state machine of a job as pure functions on its record: the one place that says what may follow what. A
// store loads a record, applies one of them, and writes the record back together with a state_changed event,
// in one transaction.
#ifndef KPRUNE_SERVER_JOBS_JOB_TRANSITIONS_H_
#define KPRUNE_SERVER_JOBS_JOB_TRANSITIONS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "kprune/job_store.h"

namespace kprune {

// A job's record with what only its store needs.
struct StoredJob {
  JobRecord record;
  absl::Time queue_time;                      // when it entered QUEUED
  absl::Time not_before = absl::UnixEpoch();  // RETRY_WAIT: earliest next claim
  ProcessIdentity worker;                     // of the current attempt
  absl::Time heartbeat_time = absl::UnixEpoch();
};

// 16 hexadecimal digits.
std::string RandomId();

// A fresh QUEUED job with a random id.
StoredJob MakeQueuedJob(const NewJob& job, absl::Time now);

// Whether `job` may be claimed for `device`, its back-off aside.
bool MayClaim(const StoredJob& job, std::string_view device);

// The longest back-off there is. One that seems longer is left over from before the clock was set back.
absl::Duration LongestBackoff(const JobStoreOptions& options);

// Each changes `job` or returns an error (those of JobStore) and leaves it alone.
absl::Status ApplyCancel(StoredJob& job, absl::Time now);
absl::Status ApplyEndEarly(StoredJob& job, absl::Time now);
absl::Status ApplyRetry(StoredJob& job, absl::Time now);
absl::Status CheckDelete(const StoredJob& job);

// ABORTED unless `lease` is the job's current one.
absl::Status CheckLease(const StoredJob& job, const Lease& lease);

// What the holder of the lease (ApplyClaim: a new holder) may do; the lease is checked by the caller.
void ApplyClaim(StoredJob& job, absl::Time now);
void ApplySuccess(StoredJob& job, const Manifest& result, absl::Time now);
void ApplyFailure(StoredJob& job, const JobError& error, absl::Time now);
void ApplyCrash(StoredJob& job, const JobError& error, const JobStoreOptions& options, absl::Time now);
void ApplyRequeue(StoredJob& job, absl::Time now);

// The state_changed event of the state that the job is in now, as Event payload JSON.
std::string StateChangedPayload(const JobRecord& job);

// The sentences of the refusals that both stores give.
absl::Status JobNotFound(std::string_view job_id);
absl::Status QueueFull(int64_t max_queued_jobs);
absl::Status RequestIdTaken(std::string_view request_id, std::string_view job_id);
absl::StatusOr<int64_t> ParsePageToken(std::string_view page_token);

// Whether the page ends before `next`, the job after those in it; asks query.fits.
bool PageEndsBefore(const ListQuery& query, const JobPage& page, const JobRecord& next);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_JOB_TRANSITIONS_H_
