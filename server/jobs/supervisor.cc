#include "server/jobs/supervisor.h"

#include <utility>

#include "server/jobs/attempt.h"
#include "server/jobs/process_identity.h"
#include "server/log.h"

namespace kprune {
namespace {

// After the database failed.
constexpr absl::Duration kStoreRetry = absl::Seconds(1);

}  // namespace

Supervisor::Supervisor(SupervisorContext context, SupervisorOptions options)
    : context_(context), options_(std::move(options)), checkpoints_(options_.data_dir) {}

Supervisor::~Supervisor() { Drain(); }

absl::Status Supervisor::Start() {
  if (absl::Status status = RecoverDeadServersJobs(); !status.ok()) return status;
  subscription_ = context_.store.Subscribe("", [this] {
    std::lock_guard lock(mutex_);
    ++queue_changes_;
    changed_.notify_all();
  });
  for (const std::string& device : options_.devices) {
    threads_.emplace_back([this, device] { RunDevice(device); });
  }
  return absl::OkStatus();
}

absl::Status Supervisor::RecoverDeadServersJobs() {
  absl::StatusOr<std::vector<RunningJob>> left = context_.store.ListRunning();
  if (!left.ok()) return left.status();
  std::set<std::string> same_boot;
  for (const RunningJob& job : *left) {
    if (job.worker.pid > 0 && job.worker.boot_id == ReadBootId()) same_boot.insert(job.lease.job_id);
    absl::Status status = context_.launcher.EnsureGone(job.worker, options_.grace_period);
    if (!status.ok()) return status;
    status = context_.store.Requeue(job.lease, context_.clock.Now());
    if (!status.ok()) return status;
    LogInfo("job-recovered", {{"job", job.lease.job_id}});
  }
  return checkpoints_.Recover([&](const std::string& job_id) { return WorthOf(job_id, same_boot); });
}

absl::StatusOr<CheckpointKeeper::Worth> Supervisor::WorthOf(const std::string& job_id,
                                                            const std::set<std::string>& same_boot) {
  const absl::StatusOr<JobRecord> job = context_.store.Get(job_id);
  if (absl::IsNotFound(job.status())) return CheckpointKeeper::Worth::kNothing;
  if (!job.ok()) return job.status();
  if (IsFinished(job->state)) return CheckpointKeeper::Worth::kNothing;
  return same_boot.contains(job_id) ? CheckpointKeeper::Worth::kCheckpointAndResult
                                    : CheckpointKeeper::Worth::kCheckpoint;
}

void Supervisor::RunDevice(const std::string& device) {
  std::unique_lock lock(mutex_);
  while (!draining_) {
    const int64_t seen = queue_changes_;
    lock.unlock();
    absl::StatusOr<ClaimResult> claim = context_.store.Claim(device, context_.clock.Now());
    if (claim.ok() && claim->job) RunJob(device, *claim->job);
    if (!claim.ok())
      LogError("claim-failed", {{"device", device}, {"reason", std::string(claim.status().message())}});
    const absl::Duration pause = claim.ok() ? claim->retry_at - context_.clock.Now() : kStoreRetry;
    const absl::Time deadline = context_.clock.Steady() + pause;
    const bool look_again = claim.ok() && claim->job;
    lock.lock();
    while (!look_again && !draining_ && (!claim.ok() || queue_changes_ == seen) &&
           context_.clock.Steady() < deadline) {
      context_.clock.WaitUntil(lock, changed_, deadline);
    }
  }
}

void Supervisor::RunJob(const std::string& device, const JobRecord& job) {
  Attempt attempt(context_, options_, checkpoints_, job);
  {
    std::lock_guard lock(mutex_);
    running_[job.id] = &attempt;
    if (draining_) attempt.Stop(Attempt::StopReason::kDrained);
  }
  attempt.Run(device);
  std::lock_guard lock(mutex_);
  const auto place = running_.find(job.id);
  if (place != running_.end() && place->second == &attempt) running_.erase(place);
}

void Supervisor::OnJobCancelled(const std::string& job_id) {
  checkpoints_.Drop(job_id);
  std::lock_guard lock(mutex_);
  const auto place = running_.find(job_id);
  if (place != running_.end()) place->second->Stop(Attempt::StopReason::kCancelled);
}

void Supervisor::Drain() {
  {
    std::lock_guard lock(mutex_);
    draining_ = true;
    for (const auto& [job_id, attempt] : running_) attempt->Stop(Attempt::StopReason::kDrained);
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  subscription_.reset();
}

}  // namespace kprune
