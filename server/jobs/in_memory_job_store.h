// The queue in memory, for tests: the plain twin of SqliteJobStore, checked by the same suite. Nothing
// survives it.
#ifndef KPRUNE_SERVER_JOBS_IN_MEMORY_JOB_STORE_H_
#define KPRUNE_SERVER_JOBS_IN_MEMORY_JOB_STORE_H_

#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "kprune/job_store.h"
#include "server/jobs/change_notifier.h"
#include "server/jobs/job_transitions.h"

namespace kprune {

class InMemoryJobStore final : public JobStore {
 public:
  explicit InMemoryJobStore(const JobStoreOptions& options) : options_(options) {}

  absl::StatusOr<CreateResult> Create(const NewJob& job, absl::Time now) override;
  absl::StatusOr<JobRecord> Get(std::string_view job_id) override;
  absl::StatusOr<std::optional<JobRecord>> FindByRequestId(std::string_view tenant,
                                                           std::string_view request_id,
                                                           const JobInput& input) override;
  absl::StatusOr<JobPage> List(const ListQuery& query) override;
  absl::StatusOr<JobRecord> Cancel(std::string_view job_id, absl::Time now) override;
  absl::StatusOr<JobRecord> EndEarly(std::string_view job_id, absl::Time now) override;
  absl::StatusOr<DeletedJob> Delete(std::string_view job_id) override;
  absl::StatusOr<std::vector<std::string>> ListFinished(absl::Time before, int limit) override;
  absl::StatusOr<std::vector<std::string>> FindUnreferenced(std::string_view tenant,
                                                            const std::vector<std::string>& digests) override;
  absl::StatusOr<JobRecord> Retry(std::string_view job_id, absl::Time now) override;
  absl::StatusOr<ClaimResult> Claim(std::string_view device, absl::Time now) override;
  absl::Status Heartbeat(const Lease& lease, absl::Time now) override;
  absl::Status SetWorker(const Lease& lease, const ProcessIdentity& worker) override;
  absl::Status SetModel(const Lease& lease, const Manifest& model, std::string_view payload_json,
                        absl::Time now) override;
  absl::Status SetPreflight(const Lease& lease, std::string_view preflight_json) override;
  absl::Status AppendEvent(const Lease& lease, std::string_view payload_json, std::optional<double> progress,
                           absl::Time now) override;
  absl::StatusOr<JobState> Succeed(const Lease& lease, const Manifest& result, absl::Time now) override;
  absl::Status Fail(const Lease& lease, const JobError& error, absl::Time now) override;
  absl::StatusOr<JobState> RecordCrash(const Lease& lease, const JobError& error, absl::Time now) override;
  absl::Status Requeue(const Lease& lease, absl::Time now) override;
  absl::StatusOr<std::vector<RunningJob>> ListRunning() override;
  absl::StatusOr<EventBatch> ReadEvents(std::string_view job_id, int64_t after_sequence, int limit) override;
  absl::StatusOr<QueueStats> Stats() override;
  absl::StatusOr<double> DeviceSeconds(std::string_view tenant, absl::Time now) override;
  std::unique_ptr<JobSubscription> Subscribe(std::string_view job_id,
                                             std::function<void()> on_change) override;

 private:
  struct Entry {
    StoredJob job;
    std::vector<JobEvent> events;

    // That the job is now in another state.
    void AppendStateChange(absl::Time now);
  };

  // Everything below with mutex_ held.
  absl::StatusOr<Entry*> Find(std::string_view job_id);
  absl::StatusOr<Entry*> FindLeased(const Lease& lease);
  absl::StatusOr<std::optional<JobRecord>> FindRequest(std::string_view tenant, std::string_view request_id,
                                                       const JobInput& input) const;
  absl::Status CheckTenantMayQueue(const std::string& tenant, absl::Time now) const;
  int64_t CountRunning(std::string_view tenant) const;
  double CountDeviceSeconds(std::string_view tenant, absl::Time now) const;
  // Whose turn it is at a claim: the smallest first.
  std::tuple<int64_t, int64_t, std::string> TurnOf(const std::string& tenant) const;
  // Counts what an attempt used that has just ended, where one has.
  void CountEndedAttempt(JobState before, const StoredJob& job, absl::Time now);

  // A change of state of a job, and one under a lease. Without mutex_ held.
  absl::StatusOr<JobRecord> ChangeJob(std::string_view job_id, absl::Time now,
                                      const std::function<absl::Status(StoredJob&)>& change);
  absl::Status Change(const Lease& lease, absl::Time now, const std::function<void(StoredJob&)>& apply);

  const JobStoreOptions options_;
  const std::string queue_id_ = RandomId();
  ChangeNotifier notifier_;

  std::mutex mutex_;
  int64_t next_rank_ = 1;
  std::map<int64_t, Entry> jobs_;  // by rank, the order of creation
  int64_t claims_ = 0;
  std::map<std::string, int64_t, std::less<>> served_;  // which claim was the tenant's last
  std::map<std::string, std::map<int64_t, double>, std::less<>> device_use_;  // seconds by tenant and hour
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_IN_MEMORY_JOB_STORE_H_
