#include "server/jobs/supervisor.h"

#include <fstream>
#include <utility>

#include "server/jobs/attempt.h"
#include "server/jobs/process_identity.h"
#include "server/jobs/worker_outcome.h"
#include "server/log.h"

namespace kprune {
namespace {

// After the database failed.
constexpr absl::Duration kStoreRetry = absl::Seconds(1);
// In the work folder: the boot of the machine that the last server ran in.
constexpr char kBootFile[] = "boot_id";
constexpr size_t kMaxBootIdBytes = 100;
// Far longer than an attempt takes to remove what it has on the disk, once its worker has ended.
constexpr absl::Duration kAttemptGoes = absl::Seconds(2);

}  // namespace

Supervisor::Supervisor(SupervisorContext context, SupervisorOptions options)
    : context_(context), options_(std::move(options)), checkpoints_(options_.work_dir) {}

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
  for (const RunningJob& job : *left) {
    absl::Status status = context_.launcher.EnsureGone(job.worker, options_.grace_period);
    if (!status.ok()) return status;
    status = context_.store.Requeue(job.lease, context_.clock.Now());
    if (!status.ok()) return status;
    LogInfo("job-recovered", {{"job", job.lease.job_id}});
  }
  // All results that are kept were written since the machine started, where the last server that tidied up
  // ran since then: it removed the older ones.
  const std::filesystem::path marker = options_.work_dir / kBootFile;
  const std::string boot_id = ReadBootId();
  const absl::StatusOr<std::string> marked = ReadSmallFile(marker, kMaxBootIdBytes);
  const bool same_boot = !boot_id.empty() && marked.ok() && *marked == boot_id;
  absl::Status tidied =
      checkpoints_.Recover([&](const std::string& job_id) { return WorthOf(job_id, same_boot); });
  // Where it cannot be written, the next server trusts no result, and computes again.
  if (tidied.ok()) std::ofstream(marker, std::ios::binary | std::ios::trunc) << boot_id;
  return tidied;
}

absl::StatusOr<CheckpointKeeper::Worth> Supervisor::WorthOf(const std::string& job_id, bool same_boot) {
  const absl::StatusOr<JobRecord> job = context_.store.Get(job_id);
  if (absl::IsNotFound(job.status())) return CheckpointKeeper::Worth::kNothing;
  if (!job.ok()) return job.status();
  if (IsFinished(job->state)) return CheckpointKeeper::Worth::kNothing;
  return same_boot ? CheckpointKeeper::Worth::kCheckpointAndResult : CheckpointKeeper::Worth::kCheckpoint;
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
  const auto attempt = std::make_shared<Attempt>(context_, options_, checkpoints_, job);
  {
    std::lock_guard lock(mutex_);
    running_[job.id] = attempt;
    if (draining_) attempt->Stop(Attempt::StopReason::kDrained);
  }
  attempt->Run(device);
  std::lock_guard lock(mutex_);
  const auto place = running_.find(job.id);
  if (place != running_.end() && place->second == attempt) running_.erase(place);
  attempt_ended_.notify_all();
}

bool Supervisor::AwaitAttemptGone(const std::string& job_id) {
  std::unique_lock lock(mutex_);
  const absl::Time deadline = context_.clock.Steady() + kAttemptGoes;
  while (running_.count(job_id) > 0) {
    if (context_.clock.Steady() >= deadline) return false;
    context_.clock.WaitUntil(lock, attempt_ended_, deadline);
  }
  return true;
}

void Supervisor::OnJobCancelled(const std::string& job_id) {
  checkpoints_.Drop(job_id);
  std::lock_guard lock(mutex_);
  const auto place = running_.find(job_id);
  if (place != running_.end()) place->second->Stop(Attempt::StopReason::kCancelled);
}

void Supervisor::OnJobEndsEarly(const std::string& job_id) {
  std::shared_ptr<Attempt> attempt;
  {
    std::lock_guard lock(mutex_);
    const auto place = running_.find(job_id);
    if (place != running_.end()) attempt = place->second;
  }
  if (attempt) attempt->EndEarly();  // which writes: a slow disk is to delay this job alone
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
