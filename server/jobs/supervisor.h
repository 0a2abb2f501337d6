// Runs the queue's jobs: one thread and at most one worker process for each device. A thread claims a job,
// brings in its model where it is named by a URI and was not fetched yet, lays out its directory from the
// manifests, starts the worker, turns its progress lines into events, and publishes what came out. A job that
// is tried again goes on from its checkpoint.
#ifndef KPRUNE_SERVER_JOBS_SUPERVISOR_H_
#define KPRUNE_SERVER_JOBS_SUPERVISOR_H_

#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "kprune/clock.h"
#include "kprune/job_store.h"
#include "kprune/metrics.h"
#include "kprune/tenant_artifacts.h"
#include "kprune/worker_launcher.h"
#include "server/jobs/artifact_references.h"
#include "server/jobs/checkpoint_keeper.h"
#include "server/jobs/model_intake.h"
#include "server/jobs/worker_limits.h"

namespace kprune {

class Attempt;

struct SupervisorOptions {
  // Its folder jobs/ID/attempt-N/ is a running job's directory; it is removed when the attempt ends.
  // jobs/ID/checkpoint is there while the job waits for another attempt (server/jobs/checkpoint_keeper.h).
  std::filesystem::path work_dir;
  // "cpu", "cuda:0", ...: one job at a time on each.
  std::vector<std::string> devices = {"cpu"};
  // From SIGTERM to SIGKILL.
  absl::Duration grace_period = absl::Seconds(10);
  // How often the lease of a running job is renewed (and its loss noticed).
  absl::Duration heartbeat_interval = absl::Seconds(5);
  WorkerLimits limits;
  // First pause before what a full disk or a failing database refused is tried again; it doubles, up to 30 s.
  absl::Duration first_store_retry = absl::Milliseconds(500);
  // A worker that sends more events than this is not heard any more; its job goes on.
  int max_events = 20000;
};

// What the supervisor works with; all borrowed, all thread-safe.
struct SupervisorContext {
  JobStore& store;
  TenantArtifacts& artifacts;
  ArtifactReferences& references;
  WorkerLauncher& launcher;
  Clock& clock;
  Metrics& metrics;
  // Brings in what jobs name by a model_uri; null: none may.
  const ModelIntake* intake = nullptr;
};

// Thread-safe, but Start and Drain are called once each, in that order.
class Supervisor {
 public:
  Supervisor(SupervisorContext context, SupervisorOptions options);
  // Drains if Drain was not called.
  ~Supervisor();

  // First makes sure that the workers of a dead server have gone, requeues their jobs without counting a
  // crash, keeps their checkpoints, and results that were not published yet, and removes their directories;
  // then starts the threads.
  absl::Status Start();

  // For a job that was just cancelled in the store: ends its worker and removes its checkpoint, where it has
  // one.
  void OnJobCancelled(const std::string& job_id);

  // For a job that is now to end early by its record in the store: tells its worker, where it has one.
  void OnJobEndsEarly(const std::string& job_id);

  // Returns when no attempt at the job is under way here and nothing of one is on the disk: that of a job
  // which was just finished takes a moment to go. False after two seconds: a worker that was cancelled is
  // still ending, or the job runs again; the attempt removes what it has when it ends.
  bool AwaitAttemptGone(const std::string& job_id);

  // Claims nothing more, ends the running workers (SIGTERM, after the grace period SIGKILL), requeues their
  // jobs without counting a crash, and returns when all that is done.
  void Drain();

 private:
  absl::Status RecoverDeadServersJobs();
  // What a dead server's folder of a job is good for; `same_boot`: the machine was not off since.
  absl::StatusOr<CheckpointKeeper::Worth> WorthOf(const std::string& job_id, bool same_boot);
  void RunDevice(const std::string& device);
  void RunJob(const std::string& device, const JobRecord& job);

  const SupervisorContext context_;
  const SupervisorOptions options_;
  const CheckpointKeeper checkpoints_;
  std::unique_ptr<JobSubscription> subscription_;
  std::vector<std::thread> threads_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable attempt_ended_;
  // Guarded by mutex_.
  bool draining_ = false;
  int64_t queue_changes_ = 0;
  std::map<std::string, std::shared_ptr<Attempt>, std::less<>> running_;  // by job id
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_SUPERVISOR_H_
