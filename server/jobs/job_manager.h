// What clients may do to jobs, with every check that comes before the queue: names, sizes and presence of the
// files, the preflight, idempotency, draining. Plain values in and out; server/rpc converts.
#ifndef KPRUNE_SERVER_JOBS_JOB_MANAGER_H_
#define KPRUNE_SERVER_JOBS_JOB_MANAGER_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/caller.h"
#include "kprune/clock.h"
#include "kprune/job_store.h"
#include "kprune/metrics.h"
#include "kprune/tenant_artifacts.h"
#include "server/jobs/artifact_references.h"
#include "server/jobs/preflight_runner.h"
#include "server/jobs/supervisor.h"

namespace kprune {

struct JobManagerOptions {
  // Most files in one model, data or eval manifest.
  int64_t max_files = 256;
  // The devices that run jobs; a job for another one is refused.
  std::vector<std::string> devices = {"cpu"};
};

// What the manager works with; all borrowed, all thread-safe.
struct JobManagerContext {
  JobStore& store;
  TenantArtifacts& artifacts;
  ArtifactReferences& references;
  PreflightRunner& preflight;
  Supervisor& supervisor;
  Clock& clock;
  Metrics& metrics;
  // Says which URIs of models may be fetched; null: none.
  const ModelIntake* intake = nullptr;
};

struct QueueReading {
  QueueStats stats;
  absl::Time time;  // when they were so
};

// ListQuery::tenant of who asks for the jobs of every tenant.
inline constexpr char kAllTenants[] = "-";

// Thread-safe. Every method acts for a caller, to whom a job that it does not see is one that is not there;
// whether its role allows the call has been checked.
class JobManager {
 public:
  JobManager(JobManagerContext context, JobManagerOptions options);

  // Checks, runs the preflight (blocks up to its time limit) and queues; the errors are those of
  // JobService.CreateJob.
  absl::StatusOr<JobRecord> Create(const Caller& caller, const JobInput& input, std::string_view request_id);

  // Checks and runs the preflight only: a record with input and preflight, without an id. What a model_uri
  // names is fetched, and then checked, when the job runs: its preflight only says so.
  absl::StatusOr<JobRecord> Validate(const Caller& caller, const JobInput& input);

  // `name` is "jobs/ID"; INVALID_ARGUMENT where it is not. Else the errors of JobStore.
  absl::StatusOr<JobRecord> Get(const Caller& caller, std::string_view name);
  absl::StatusOr<JobRecord> Cancel(const Caller& caller, std::string_view name);
  // Ends the job with what is finished of it; see JobStore::EndEarly.
  absl::StatusOr<JobRecord> EndEarly(const Caller& caller, std::string_view name);
  absl::StatusOr<JobRecord> Retry(const Caller& caller, std::string_view name);
  // Also deletes the artifacts that no other job of its tenant refers to.
  absl::Status Delete(const Caller& caller, std::string_view name);
  // The caller's tenant's jobs where query.tenant is empty; an admin may name another tenant, or kAllTenants,
  // and who is none is refused with PERMISSION_DENIED. INVALID_ARGUMENT also for a malformed page token or
  // size.
  absl::StatusOr<JobPage> List(const Caller& caller, const ListQuery& query);

  absl::StatusOr<QueueReading> ReadQueue();

  // From now on Create, Validate and Retry are UNAVAILABLE.
  void StopAccepting() { accepting_ = false; }

 private:
  absl::Status CheckAccepting() const;
  // Tells the metrics where a quota refused.
  absl::Status Told(absl::Status status) const;
  void TellCancelled(const JobRecord& job);
  // The preflight of a job that names its model by a URI.
  absl::StatusOr<std::string> CheckUri(const std::string& uri) const;

  const JobManagerContext context_;
  const JobManagerOptions options_;
  std::atomic<bool> accepting_{true};
};

// The ID of "jobs/ID", or INVALID_ARGUMENT.
absl::StatusOr<std::string> ParseJobName(std::string_view name);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_JOB_MANAGER_H_
