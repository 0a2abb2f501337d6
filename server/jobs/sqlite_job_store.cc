#include "server/jobs/sqlite_job_store.h"

#include <functional>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/jobs/change_notifier.h"
#include "server/jobs/job_transitions.h"
#include "server/jobs/sqlite_database.h"
#include "server/jobs/sqlite_job_rows.h"
#include "server/jobs/sqlite_tenants.h"
#include "server/jobs/tenant_rules.h"
#include "server/log.h"

namespace kprune {
namespace {

// Digests of one job's files that no other job of its tenant has.
constexpr char kUnreferenced[] =
    "SELECT DISTINCT sha256 FROM job_files AS mine WHERE job_rank = ?1 AND NOT EXISTS "
    "(SELECT 1 FROM job_files AS other JOIN jobs ON rank = other.job_rank "
    "WHERE other.sha256 = mine.sha256 AND other.job_rank <> ?1 AND tenant = ?2)";

class SqliteJobStore final : public JobStore {
 public:
  SqliteJobStore(std::unique_ptr<SqliteDatabase> database, const JobStoreOptions& options)
      : options_(options), database_(std::move(database)) {}

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
                                             std::function<void()> on_change) override {
    return notifier_.Subscribe(job_id, std::move(on_change));
  }

 private:
  // Changes a loaded job inside the transaction that commits it.
  using Change = std::function<absl::Status(RankedJob&)>;

  // Loads a job, changes it, writes it back and appends `payload_json`, or its state_changed event when that
  // is empty: one transaction, then the notification.
  absl::StatusOr<JobRecord> ChangeJob(std::string_view job_id, absl::Time now, const Change& change,
                                      std::string_view payload_json = {});
  // The same under a lease.
  absl::StatusOr<JobRecord> ChangeLeased(const Lease& lease, absl::Time now, const Change& change,
                                         std::string_view payload_json = {});

  // With mutex_ held.
  // What was deleted stays in the write-ahead log until that is emptied.
  void ForgetDeleted();
  absl::StatusOr<std::optional<JobRecord>> FindRequest(std::string_view tenant, std::string_view request_id,
                                                       const JobInput& input);
  absl::StatusOr<ClaimResult> ClaimLocked(std::string_view device, absl::Time now);
  absl::StatusOr<CreateResult> CreateLocked(const NewJob& job, absl::Time now);

  const JobStoreOptions options_;
  ChangeNotifier notifier_;

  std::mutex mutex_;
  const std::unique_ptr<SqliteDatabase> database_;  // guarded by mutex_
};

absl::StatusOr<std::optional<JobRecord>> SqliteJobStore::FindRequest(std::string_view tenant,
                                                                     std::string_view request_id,
                                                                     const JobInput& input) {
  SqliteQuery query =
      database_->Query("SELECT " KPRUNE_JOB_COLUMNS " FROM jobs WHERE tenant = ? AND request_id = ?");
  query.Bind(tenant).Bind(request_id);
  absl::StatusOr<bool> row = query.Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::optional<JobRecord>();
  absl::StatusOr<RankedJob> earlier = ReadJobRow(*database_, query);
  if (!earlier.ok()) return earlier.status();
  if (AsAsked(earlier->job.record.input) != AsAsked(input))
    return RequestIdTaken(request_id, earlier->job.record.id);
  return std::optional(std::move(earlier->job.record));
}

absl::StatusOr<std::optional<JobRecord>> SqliteJobStore::FindByRequestId(std::string_view tenant,
                                                                         std::string_view request_id,
                                                                         const JobInput& input) {
  std::lock_guard lock(mutex_);
  return FindRequest(tenant, request_id, input);
}

absl::StatusOr<CreateResult> SqliteJobStore::CreateLocked(const NewJob& job, absl::Time now) {
  auto transaction = SqliteTransaction::Begin(*database_);
  if (!transaction.ok()) return transaction.status();
  auto earlier = FindRequest(job.tenant, job.request_id, job.input);
  if (!earlier.ok()) return earlier.status();
  if (*earlier) return CreateResult{**std::move(earlier), false};
  absl::Status status = CheckTenantMayQueue(*database_, options_, job.tenant, now);
  if (!status.ok()) return status;
  const StoredJob stored = MakeQueuedJob(job, now);
  absl::StatusOr<int64_t> rank = InsertJob(*database_, stored);
  if (!rank.ok()) return rank.status();
  status = InsertEvent(*database_, *rank, StateChangedPayload(stored.record), now);
  if (status.ok()) status = transaction->Commit();
  if (!status.ok()) return status;
  return CreateResult{stored.record, true};
}

absl::StatusOr<CreateResult> SqliteJobStore::Create(const NewJob& job, absl::Time now) {
  absl::StatusOr<CreateResult> result;
  {
    std::lock_guard lock(mutex_);
    result = CreateLocked(job, now);
  }
  if (result.ok() && result->created) notifier_.Notify(result->job.id);
  return result;
}

absl::StatusOr<JobRecord> SqliteJobStore::Get(std::string_view job_id) {
  std::lock_guard lock(mutex_);
  absl::StatusOr<RankedJob> job = LoadJob(*database_, job_id);
  if (!job.ok()) return job.status();
  return std::move(job->job.record);
}

absl::StatusOr<JobPage> SqliteJobStore::List(const ListQuery& query) {
  std::lock_guard lock(mutex_);
  return ReadJobPage(*database_, query);
}

absl::StatusOr<JobRecord> SqliteJobStore::ChangeJob(std::string_view job_id, absl::Time now,
                                                    const Change& change, std::string_view payload_json) {
  absl::StatusOr<RankedJob> job;
  {
    std::lock_guard lock(mutex_);
    auto transaction = SqliteTransaction::Begin(*database_);
    if (!transaction.ok()) return transaction.status();
    job = LoadJob(*database_, job_id);
    if (!job.ok()) return job.status();
    const int64_t epoch = job->job.record.lease_epoch;
    const bool was_running = job->job.record.state == JobState::kRunning;
    absl::Status status = change(*job);
    if (status.ok()) status = UpdateJob(*database_, *job, epoch);
    if (status.ok() && was_running && job->job.record.state != JobState::kRunning)
      status = AddDeviceTime(*database_, job->job.record.tenant, DeviceTime(job->job, now), now);
    const std::string payload =
        payload_json.empty() ? StateChangedPayload(job->job.record) : std::string(payload_json);
    if (status.ok()) status = InsertEvent(*database_, job->rank, payload, now);
    if (status.ok()) status = transaction->Commit();
    if (!status.ok()) return status;
  }
  notifier_.Notify(job_id);
  return std::move(job->job.record);
}

absl::StatusOr<JobRecord> SqliteJobStore::ChangeLeased(const Lease& lease, absl::Time now,
                                                       const Change& change, std::string_view payload_json) {
  absl::StatusOr<JobRecord> changed = ChangeJob(
      lease.job_id, now,
      [&](RankedJob& job) {
        absl::Status status = CheckLease(job.job, lease);
        return status.ok() ? change(job) : status;
      },
      payload_json);
  if (absl::IsNotFound(changed.status())) return absl::AbortedError("The job of this lease was deleted.");
  return changed;
}

absl::StatusOr<JobRecord> SqliteJobStore::Cancel(std::string_view job_id, absl::Time now) {
  return ChangeJob(job_id, now, [&](RankedJob& job) { return ApplyCancel(job.job, now); });
}

absl::StatusOr<JobRecord> SqliteJobStore::EndEarly(std::string_view job_id, absl::Time now) {
  return ChangeJob(job_id, now, [&](RankedJob& job) { return ApplyEndEarly(job.job, now); });
}

absl::StatusOr<JobRecord> SqliteJobStore::Retry(std::string_view job_id, absl::Time now) {
  return ChangeJob(job_id, now, [&](RankedJob& job) {
    absl::Status status = ApplyRetry(job.job, now);
    if (status.ok()) status = CheckTenantMayQueue(*database_, options_, job.job.record.tenant, now);
    return status.ok() ? DeleteResult(*database_, job.rank) : status;
  });
}

void SqliteJobStore::ForgetDeleted() {
  const absl::Status forgotten = database_->Query("PRAGMA wal_checkpoint(TRUNCATE)").Run();
  if (!forgotten.ok())
    LogWarning("deleted-rows-in-the-log", {{"reason", std::string(forgotten.message())}});
}

absl::StatusOr<DeletedJob> SqliteJobStore::Delete(std::string_view job_id) {
  DeletedJob deleted;
  {
    std::lock_guard lock(mutex_);
    auto transaction = SqliteTransaction::Begin(*database_);
    if (!transaction.ok()) return transaction.status();
    absl::StatusOr<RankedJob> job = LoadJob(*database_, job_id);
    if (!job.ok()) return job.status();
    if (absl::Status status = CheckDelete(job->job); !status.ok()) return status;
    SqliteQuery query = database_->Query(kUnreferenced);
    query.Bind(job->rank).Bind(std::string_view(job->job.record.tenant));
    for (;;) {
      absl::StatusOr<bool> row = query.Step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      deleted.unreferenced.push_back(query.Text(0));
    }
    absl::Status status = database_->Query("DELETE FROM jobs WHERE rank = ?").Bind(job->rank).Run();
    if (status.ok()) status = transaction->Commit();
    if (!status.ok()) return status;
    ForgetDeleted();
  }
  notifier_.Notify(job_id);
  return deleted;
}

absl::StatusOr<std::vector<std::string>> SqliteJobStore::ListFinished(absl::Time before, int limit) {
  std::lock_guard lock(mutex_);
  return ReadFinishedJobs(*database_, before, limit);
}

absl::StatusOr<std::vector<std::string>> SqliteJobStore::FindUnreferenced(
    std::string_view tenant, const std::vector<std::string>& digests) {
  std::lock_guard lock(mutex_);
  return ReadUnreferenced(*database_, tenant, digests);
}

absl::StatusOr<ClaimResult> SqliteJobStore::ClaimLocked(std::string_view device, absl::Time now) {
  auto transaction = SqliteTransaction::Begin(*database_);
  if (!transaction.ok()) return transaction.status();
  absl::StatusOr<JobChoice> choice = ChooseJob(*database_, options_, device, now);
  if (!choice.ok()) return choice.status();
  if (!choice->job) return ClaimResult{std::nullopt, choice->retry_at};
  RankedJob& job = *choice->job;
  const int64_t epoch = job.job.record.lease_epoch;
  ApplyClaim(job.job, now);
  absl::Status status = UpdateJob(*database_, job, epoch);
  if (status.ok()) status = InsertEvent(*database_, job.rank, StateChangedPayload(job.job.record), now);
  if (status.ok()) status = RecordServed(*database_, job.job.record.tenant);
  if (status.ok()) status = transaction->Commit();
  if (!status.ok()) return status;
  return ClaimResult{std::move(job.job.record)};
}

absl::StatusOr<ClaimResult> SqliteJobStore::Claim(std::string_view device, absl::Time now) {
  absl::StatusOr<ClaimResult> result;
  {
    std::lock_guard lock(mutex_);
    result = ClaimLocked(device, now);
  }
  if (result.ok() && result->job) notifier_.Notify(result->job->id);
  return result;
}

// One conditional UPDATE: zero rows changed means that the lease is stale.
absl::Status FencedUpdate(SqliteDatabase& database, SqliteQuery query, const Lease& lease) {
  absl::Status status = query.Bind(std::string_view(lease.job_id)).Bind(lease.epoch).Run();
  if (!status.ok() || database.changed_rows() == 1) return status;
  return absl::AbortedError(absl::StrCat("The lease ", lease.epoch, " on jobs/", lease.job_id, " is stale."));
}

absl::Status SqliteJobStore::Heartbeat(const Lease& lease, absl::Time now) {
  std::lock_guard lock(mutex_);
  SqliteQuery query = database_->Query(
      "UPDATE jobs SET heartbeat_us = ? WHERE state = 'RUNNING' AND id = ? AND lease_epoch = ?");
  query.Bind(absl::ToUnixMicros(now));
  return FencedUpdate(*database_, std::move(query), lease);
}

absl::Status SqliteJobStore::SetWorker(const Lease& lease, const ProcessIdentity& worker) {
  std::lock_guard lock(mutex_);
  SqliteQuery query = database_->Query(
      "UPDATE jobs SET worker_pid = ?, worker_start_ticks = ?, worker_boot_id = ? "
      "WHERE state = 'RUNNING' AND id = ? AND lease_epoch = ?");
  query.Bind(worker.pid).Bind(worker.start_ticks).Bind(std::string_view(worker.boot_id));
  return FencedUpdate(*database_, std::move(query), lease);
}

absl::Status SqliteJobStore::SetModel(const Lease& lease, const Manifest& model,
                                      std::string_view payload_json, absl::Time now) {
  auto record_model = [&](RankedJob& job) { return InsertFiles(*database_, job.rank, "model", model); };
  return ChangeLeased(lease, now, record_model, payload_json).status();
}

absl::Status SqliteJobStore::SetPreflight(const Lease& lease, std::string_view preflight_json) {
  std::lock_guard lock(mutex_);
  SqliteQuery query = database_->Query(
      "UPDATE jobs SET preflight_json = ? WHERE state = 'RUNNING' AND id = ? AND lease_epoch = ?");
  query.Bind(preflight_json);
  return FencedUpdate(*database_, std::move(query), lease);
}

absl::Status SqliteJobStore::AppendEvent(const Lease& lease, std::string_view payload_json,
                                         std::optional<double> progress, absl::Time now) {
  auto record_progress = [&](RankedJob& job) {
    if (progress) job.job.record.progress = *progress;
    return absl::OkStatus();
  };
  return ChangeLeased(lease, now, record_progress, payload_json).status();
}

absl::StatusOr<JobState> SqliteJobStore::Succeed(const Lease& lease, const Manifest& result, absl::Time now) {
  auto succeed = [&](RankedJob& job) {
    ApplySuccess(job.job, result, now);
    return InsertFiles(*database_, job.rank, "result", result);
  };
  absl::StatusOr<JobRecord> job = ChangeLeased(lease, now, succeed);
  if (!job.ok()) return job.status();
  return job->state;
}

absl::Status SqliteJobStore::Fail(const Lease& lease, const JobError& error, absl::Time now) {
  auto fail = [&](RankedJob& job) {
    ApplyFailure(job.job, error, now);
    return absl::OkStatus();
  };
  return ChangeLeased(lease, now, fail).status();
}

absl::StatusOr<JobState> SqliteJobStore::RecordCrash(const Lease& lease, const JobError& error,
                                                     absl::Time now) {
  absl::StatusOr<JobRecord> job = ChangeLeased(lease, now, [&](RankedJob& crashed) {
    ApplyCrash(crashed.job, error, options_, now);
    return absl::OkStatus();
  });
  if (!job.ok()) return job.status();
  return job->state;
}

absl::Status SqliteJobStore::Requeue(const Lease& lease, absl::Time now) {
  auto requeue = [&](RankedJob& job) {
    ApplyRequeue(job.job, now);
    return absl::OkStatus();
  };
  return ChangeLeased(lease, now, requeue).status();
}

absl::StatusOr<std::vector<RunningJob>> SqliteJobStore::ListRunning() {
  std::lock_guard lock(mutex_);
  return ReadRunningJobs(*database_);
}

absl::StatusOr<EventBatch> SqliteJobStore::ReadEvents(std::string_view job_id, int64_t after_sequence,
                                                      int limit) {
  std::lock_guard lock(mutex_);
  return ReadEventBatch(*database_, job_id, after_sequence, limit);
}

absl::StatusOr<QueueStats> SqliteJobStore::Stats() {
  std::lock_guard lock(mutex_);
  return ReadQueueStats(*database_);
}

absl::StatusOr<double> SqliteJobStore::DeviceSeconds(std::string_view tenant, absl::Time now) {
  std::lock_guard lock(mutex_);
  return ReadDeviceSeconds(*database_, tenant, now);
}

}  // namespace

absl::StatusOr<std::unique_ptr<JobStore>> OpenSqliteJobStore(const std::filesystem::path& file,
                                                             const JobStoreOptions& options) {
  absl::StatusOr<std::unique_ptr<SqliteDatabase>> database = SqliteDatabase::Open(file, options.metrics);
  if (!database.ok()) return database.status();
  if (absl::Status status = PrepareSchema(**database); !status.ok()) return status;
  return std::make_unique<SqliteJobStore>(*std::move(database), options);
}

}  // namespace kprune
