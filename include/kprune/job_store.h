// The queue: jobs, their events and the state machine between them, kept where they survive a crash.
//
//   QUEUED --Claim--> RUNNING --Finish--> SUCCEEDED | FAILED
//                        |----RecordCrash--> RETRY_WAIT --Claim--> RUNNING;  the last allowed crash: FAILED
//                        |----Requeue--> QUEUED           (the server's fault: no crash is counted)
//   QUEUED | RUNNING | RETRY_WAIT --Cancel--> CANCELLED;  FAILED | CANCELLED --Retry--> QUEUED
//   EndEarly leaves a job that has begun in its state; Succeed then leads to CANCELLED, with a result.
//
// Jobs belong to tenants, whose turns Claim keeps fair: no number or priority of one tenant's jobs makes
// another's wait longer. What workers did counts as the tenant's device seconds when an attempt ends.
//
// Every change of state appends a state_changed event in the same transaction. A change is durable when its
// call returns.
#ifndef KPRUNE_JOB_STORE_H_
#define KPRUNE_JOB_STORE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kprune/job.h"
#include "kprune/metrics.h"
#include "kprune/worker_launcher.h"

namespace kprune {

// Device seconds are counted over so long, by the hour in which an attempt ended.
inline constexpr absl::Duration kUsageWindow = absl::Hours(30 * 24);

struct JobStoreOptions {
  // Most jobs of one tenant in QUEUED and RETRY_WAIT together, where it has no such limit of its own; Create
  // and Retry are refused beyond it.
  int64_t max_queued_jobs = 1000;
  // So many crashes of its worker end a job.
  int max_crashes = 3;
  // Wait after the first crash; doubles with each further one.
  absl::Duration retry_backoff = absl::Seconds(5);
  // What each tenant may use. Borrowed; null: no tenant has a limit.
  const TenantDirectory* tenants = nullptr;
  // Told how long commits take, where there is a database; null: nobody. Borrowed.
  Metrics* metrics = nullptr;
};

// The right to work on a job, given by Claim. Stale when the job has a greater epoch or is not RUNNING any
// more.
struct Lease {
  std::string job_id;
  int64_t epoch = 0;
};

struct CreateResult {
  JobRecord job;
  // False when the request_id was seen before with the same input and `job` is the first one.
  bool created = true;
};

struct ListQuery {
  int page_size = 50;
  // JobPage::next_page_token of the page before; empty for the first page.
  std::string page_token;
  // Only jobs in these states, each named once; empty means all.
  std::vector<JobState> states;
  // Asked for each job in turn: false ends the page before it, unless it is the first. Must return quickly.
  std::function<bool(const JobRecord&)> fits = nullptr;
  // Only jobs of this tenant; empty means all.
  std::string tenant = {};
};

struct JobPage {
  std::vector<JobRecord> jobs;
  std::string next_page_token;  // empty on the last page
};

struct ClaimResult {
  std::optional<JobRecord> job;
  // When there was no job: the time at which to ask again though nothing has changed, since a RETRY_WAIT job
  // may be claimed then, or a tenant that is at a limit may have a higher one; or InfiniteFuture.
  absl::Time retry_at = absl::InfiniteFuture();
};

struct RunningJob {
  Lease lease;
  // The worker recorded for this lease; pid 0 when none was.
  ProcessIdentity worker;
};

struct EventBatch {
  std::vector<JobEvent> events;
  // The job is finished and nothing follows `events`.
  bool end = false;
};

struct DeletedJob {
  // Digests of the job's files that no remaining job of its tenant refers to.
  std::vector<std::string> unreferenced;
};

// Of a job's priority: greater than 0, 0, less than 0.
enum class PriorityClass { kHigh, kNormal, kLow };

inline constexpr std::array<std::string_view, 3> kPriorityClassNames = {"high", "normal", "low"};

inline PriorityClass PriorityClassOf(int64_t priority) {
  if (priority == 0) return PriorityClass::kNormal;
  return priority > 0 ? PriorityClass::kHigh : PriorityClass::kLow;
}

struct QueueStats {
  // Random and kept with the queue: servers with the same one share their queue.
  std::string queue_id;
  // Indexed by JobState.
  std::array<int64_t, kJobStates.size()> jobs{};
  // When the longest waiting QUEUED job entered the queue, by PriorityClass.
  std::array<std::optional<absl::Time>, kPriorityClassNames.size()> oldest_queued{};

  // Jobs that need a worker, now or soon: QUEUED, RUNNING and RETRY_WAIT.
  int64_t backlog() const {
    int64_t sum = 0;
    for (const JobState state : {JobState::kQueued, JobState::kRunning, JobState::kRetryWait})
      sum += jobs[static_cast<size_t>(state)];
    return sum;
  }

  // Takes in that a QUEUED job of this class entered the queue then.
  void Waits(PriorityClass priority, absl::Time since) {
    std::optional<absl::Time>& oldest = oldest_queued[static_cast<size_t>(priority)];
    if (!oldest || since < *oldest) oldest = since;
  }
};

// Calls its callback on changes until it is destroyed; the destructor waits for a callback that is running,
// so do not destroy it inside one. Must not outlive its store.
class JobSubscription {
 public:
  virtual ~JobSubscription() = default;
};

// Thread-safe. Errors of every method: NOT_FOUND (no such job), UNAVAILABLE or INTERNAL (the database
// failed); further ones are given below.
class JobStore {
 public:
  virtual ~JobStore() = default;

  // Queues a job. ALREADY_EXISTS: the request_id belongs to a job of the tenant with another input.
  // RESOURCE_EXHAUSTED: queue full, or the tenant's device seconds are used up (server/quota.h).
  virtual absl::StatusOr<CreateResult> Create(const NewJob& job, absl::Time now) = 0;

  virtual absl::StatusOr<JobRecord> Get(std::string_view job_id) = 0;

  // The tenant's job created with that request_id; nothing when there is none (an empty request_id has none).
  // ALREADY_EXISTS: its input is another one.
  virtual absl::StatusOr<std::optional<JobRecord>> FindByRequestId(std::string_view tenant,
                                                                   std::string_view request_id,
                                                                   const JobInput& input) = 0;

  // Newest first. INVALID_ARGUMENT: malformed page token.
  virtual absl::StatusOr<JobPage> List(const ListQuery& query) = 0;

  // FAILED_PRECONDITION: already finished.
  virtual absl::StatusOr<JobRecord> Cancel(std::string_view job_id, absl::Time now) = 0;

  // Asks a job to end with what is finished of it; one that never began is cancelled at once. The holder of
  // its lease finds out by Get. FAILED_PRECONDITION: already finished.
  virtual absl::StatusOr<JobRecord> EndEarly(std::string_view job_id, absl::Time now) = 0;

  // FAILED_PRECONDITION: not finished.
  virtual absl::StatusOr<DeletedJob> Delete(std::string_view job_id) = 0;

  // Ids of at most `limit` jobs that were finished before that, the longest finished first.
  virtual absl::StatusOr<std::vector<std::string>> ListFinished(absl::Time before, int limit) = 0;

  // Those of `digests` that no file of the tenant's jobs has, in their order.
  virtual absl::StatusOr<std::vector<std::string>> FindUnreferenced(
      std::string_view tenant, const std::vector<std::string>& digests) = 0;

  // Forgets a partial result. FAILED_PRECONDITION: neither FAILED nor CANCELLED. RESOURCE_EXHAUSTED: as
  // Create.
  virtual absl::StatusOr<JobRecord> Retry(std::string_view job_id, absl::Time now) = 0;

  // Takes a job that waits and may run on `device`, and raises its lease_epoch and attempt. Of the tenants
  // that have such a job, and are not at their limits of running jobs and device seconds, it is the turn of
  // the one with the fewest running jobs, and of those the one served longest ago; of its jobs the one of the
  // highest priority, and of those the oldest. A back-off that seems longer than any is, because the clock
  // was set back, is over.
  virtual absl::StatusOr<ClaimResult> Claim(std::string_view device, absl::Time now) = 0;

  // The calls of a lease's holder. ABORTED: the lease is stale (cancelled, claimed again, deleted): stop and
  // discard.
  virtual absl::Status Heartbeat(const Lease& lease, absl::Time now) = 0;
  virtual absl::Status SetWorker(const Lease& lease, const ProcessIdentity& worker) = 0;
  // Records what was fetched from the input's model_uri, together with an event.
  virtual absl::Status SetModel(const Lease& lease, const Manifest& model, std::string_view payload_json,
                                absl::Time now) = 0;
  // Replaces JobRecord::preflight_json.
  virtual absl::Status SetPreflight(const Lease& lease, std::string_view preflight_json) = 0;
  virtual absl::Status AppendEvent(const Lease& lease, std::string_view payload_json,
                                   std::optional<double> progress, absl::Time now) = 0;
  // Returns SUCCEEDED, or CANCELLED where the job was to end early.
  virtual absl::StatusOr<JobState> Succeed(const Lease& lease, const Manifest& result, absl::Time now) = 0;
  virtual absl::Status Fail(const Lease& lease, const JobError& error, absl::Time now) = 0;
  // The worker crashed. Returns RETRY_WAIT, or FAILED when it was the last allowed crash.
  virtual absl::StatusOr<JobState> RecordCrash(const Lease& lease, const JobError& error, absl::Time now) = 0;
  // The attempt ended for the server's sake; the job keeps its place in the queue and no crash is counted.
  virtual absl::Status Requeue(const Lease& lease, absl::Time now) = 0;

  // Every RUNNING job, for a server that starts and finds what a dead one left.
  virtual absl::StatusOr<std::vector<RunningJob>> ListRunning() = 0;

  // At most `limit` events with a greater sequence, in order.
  virtual absl::StatusOr<EventBatch> ReadEvents(std::string_view job_id, int64_t after_sequence,
                                                int limit) = 0;

  virtual absl::StatusOr<QueueStats> Stats() = 0;

  // What the tenant's workers ran within kUsageWindow before `now`, those that run now included.
  virtual absl::StatusOr<double> DeviceSeconds(std::string_view tenant, absl::Time now) = 0;

  // Calls `on_change` after every committed change of the job (of any job when `job_id` is empty), from the
  // thread that made the change and without a lock held; it must return quickly. Changes made before the call
  // are not reported.
  virtual std::unique_ptr<JobSubscription> Subscribe(std::string_view job_id,
                                                     std::function<void()> on_change) = 0;
};

}  // namespace kprune

#endif  // KPRUNE_JOB_STORE_H_
