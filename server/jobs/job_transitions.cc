#include "server/jobs/job_transitions.h"

#include <algorithm>
#include <charconv>
#include <random>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace kprune {
namespace {

std::string Text(std::string_view view) { return std::string(view); }

void Finish(JobRecord& job, JobState state, absl::Time now) {
  job.state = state;
  job.ending_early = false;
  job.end_time = now;
}

absl::Status CheckNotFinished(const JobRecord& job) {
  if (!IsFinished(job.state)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("jobs/", job.id, " is already ",
                                                    Text(JobStateName(job.state)),
                                                    "; only a job that is not finished can be cancelled."));
}

void Enqueue(StoredJob& job, absl::Time now) {
  job.record.state = JobState::kQueued;
  job.record.progress = 0;
  job.record.error = {};
  job.record.end_time.reset();
  job.queue_time = now;
  job.worker = {};
}

}  // namespace

std::string RandomId() {
  static_assert(sizeof(std::random_device::result_type) == 4);
  std::random_device random;
  return absl::StrFormat("%08x%08x", random(), random());
}

StoredJob MakeQueuedJob(const NewJob& job, absl::Time now) {
  StoredJob stored;
  stored.record.id = RandomId();
  stored.record.input = job.input;
  stored.record.request_id = job.request_id;
  stored.record.tenant = job.tenant;
  stored.record.preflight_json = job.preflight_json;
  stored.record.create_time = now;
  stored.queue_time = now;
  return stored;
}

bool MayClaim(const StoredJob& job, std::string_view device) {
  const bool waits = job.record.state == JobState::kQueued || job.record.state == JobState::kRetryWait;
  return waits && (job.record.input.device == "auto" || job.record.input.device == device);
}

absl::Duration LongestBackoff(const JobStoreOptions& options) {
  return options.retry_backoff * (int64_t{1} << std::clamp(options.max_crashes - 1, 0, 20));
}

absl::Status ApplyCancel(StoredJob& job, absl::Time now) {
  if (absl::Status status = CheckNotFinished(job.record); !status.ok()) return status;
  ++job.record.lease_epoch;
  job.record.error = {};
  Finish(job.record, JobState::kCancelled, now);
  return absl::OkStatus();
}

absl::Status ApplyEndEarly(StoredJob& job, absl::Time now) {
  if (absl::Status status = CheckNotFinished(job.record); !status.ok()) return status;
  if (job.record.attempt == 0) return ApplyCancel(job, now);
  job.record.ending_early = true;
  return absl::OkStatus();
}

absl::Status ApplyRetry(StoredJob& job, absl::Time now) {
  if (job.record.state != JobState::kFailed && job.record.state != JobState::kCancelled) {
    return absl::FailedPreconditionError(absl::StrCat("jobs/", job.record.id, " is ",
                                                      Text(JobStateName(job.record.state)),
                                                      "; only a FAILED or CANCELLED job can be retried."));
  }
  ++job.record.lease_epoch;
  job.record.crashes = 0;
  job.record.result.clear();
  Enqueue(job, now);
  return absl::OkStatus();
}

absl::Status CheckDelete(const StoredJob& job) {
  if (IsFinished(job.record.state)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("jobs/", job.record.id, " is ", Text(JobStateName(job.record.state)),
                   "; cancel it first, only a finished job can be deleted."));
}

absl::Status CheckLease(const StoredJob& job, const Lease& lease) {
  if (job.record.state == JobState::kRunning && job.record.lease_epoch == lease.epoch)
    return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("The lease ", lease.epoch, " on jobs/", lease.job_id,
                                         " is stale: the job is ", Text(JobStateName(job.record.state)),
                                         " at epoch ", job.record.lease_epoch, "."));
}

void ApplyClaim(StoredJob& job, absl::Time now) {
  job.record.state = JobState::kRunning;
  ++job.record.lease_epoch;
  ++job.record.attempt;
  job.record.progress = 0;
  job.record.error = {};
  job.record.start_time = now;
  job.worker = {};
  job.heartbeat_time = now;
}

void ApplySuccess(StoredJob& job, const Manifest& result, absl::Time now) {
  job.record.result = result;
  const bool whole = !job.record.ending_early;
  if (whole) job.record.progress = 1;
  Finish(job.record, whole ? JobState::kSucceeded : JobState::kCancelled, now);
}

void ApplyFailure(StoredJob& job, const JobError& error, absl::Time now) {
  job.record.error = error;
  Finish(job.record, JobState::kFailed, now);
}

void ApplyCrash(StoredJob& job, const JobError& error, const JobStoreOptions& options, absl::Time now) {
  ++job.record.crashes;
  if (job.record.crashes >= options.max_crashes) {
    const std::string message =
        absl::StrCat("The worker crashed ", job.record.crashes, " times, the last time so: ", error.message);
    ApplyFailure(job, {error.code, message}, now);
    return;
  }
  job.record.state = JobState::kRetryWait;
  job.record.error = error;
  job.record.progress = 0;
  job.not_before = now + options.retry_backoff * (int64_t{1} << std::min(job.record.crashes - 1, 20));
}

void ApplyRequeue(StoredJob& job, absl::Time now) { Enqueue(job, now); }

std::string StateChangedPayload(const JobRecord& job) {
  nlohmann::json change = {{"state", JobStateName(job.state)}, {"attempt", job.attempt}};
  if (job.ending_early) change["ending_early"] = true;
  if (!job.error.code.empty()) change["error"] = {{"code", job.error.code}, {"message", job.error.message}};
  return nlohmann::json{{"state_changed", change}}.dump(-1, ' ', false,
                                                        nlohmann::json::error_handler_t::replace);
}

absl::Status JobNotFound(std::string_view job_id) {
  return absl::NotFoundError(absl::StrCat("There is no job jobs/", Text(job_id), "."));
}

absl::Status QueueFull(int64_t max_queued_jobs) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "The queue is full: ", max_queued_jobs, " jobs are waiting already; try again when some have run."));
}

absl::Status RequestIdTaken(std::string_view request_id, std::string_view job_id) {
  return absl::AlreadyExistsError(
      absl::StrCat("request_id \"", Text(request_id), "\" was used for jobs/", Text(job_id),
                   ", which has another spec; use a new request_id for a new job."));
}

absl::StatusOr<int64_t> ParsePageToken(std::string_view page_token) {
  int64_t rank = 0;
  const char* const end = page_token.data() + page_token.size();
  const auto [parsed_to, error] = std::from_chars(page_token.data(), end, rank);
  if (error != std::errc() || parsed_to != end || rank <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("page_token \"",
                                                   absl::CHexEscape(Text(page_token.substr(0, 64))),
                                                   "\" is not a next_page_token of an earlier ListJobs."));
  }
  return rank;
}

bool PageEndsBefore(const ListQuery& query, const JobPage& page, const JobRecord& next) {
  if (static_cast<int>(page.jobs.size()) == query.page_size) return true;
  const bool fits = !query.fits || query.fits(next);
  return !fits && !page.jobs.empty();
}

}  // namespace kprune
