// One attempt at one job: from the claimed lease to the job's next state, with the worker in between. It goes
// on from the checkpoint that an earlier attempt left, and leaves its own where it ends without an outcome.
#ifndef KPRUNE_SERVER_JOBS_ATTEMPT_H_
#define KPRUNE_SERVER_JOBS_ATTEMPT_H_

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/jobs/checkpoint_keeper.h"
#include "server/jobs/job_directory.h"
#include "server/jobs/phase_seconds.h"
#include "server/jobs/progress_line.h"
#include "server/jobs/supervisor.h"
#include "server/jobs/worker_limits.h"

namespace kprune {

// Run belongs to one thread; Stop and EndEarly may come from any, at any time.
class Attempt {
 public:
  enum class StopReason { kCancelled, kDrained };

  // `job` has just been claimed. Everything is borrowed and outlives the attempt.
  Attempt(const SupervisorContext& context, const SupervisorOptions& options,
          const CheckpointKeeper& checkpoints, const JobRecord& job);

  // Returns when the worker has gone, the job's next state is stored and its directory is removed. A state
  // that cannot be stored is tried again until the attempt is told to stop; the job then stays RUNNING for
  // the next server, and so does the directory with a result that was not published.
  void Run(const std::string& device);

  // Ends the worker: SIGTERM, and after the grace period SIGKILL. Also before it has started.
  void Stop(StopReason reason);

  // Tells the worker that the job is to end early, as its record in the store says already.
  void EndEarly();

 private:
  // Brings in the model where the job names it by a URI and it was not fetched yet.
  absl::Status TakeModelIn();
  // For TakeModelIn: renews the lease in time. False: the attempt is to end.
  bool GoesOn();

  absl::StatusOr<JobDirectory> LayOut();

  // Whether a full or failing disk said so, which may pass, rather than what is in the files.
  static bool MayPass(const absl::Status& status);

  // Each ends with the job in its next state, or with the lease lost.
  void EndWithoutModel(const absl::Status& reason);
  void GoOnFromWhatIsKept(const std::string& device);
  void RunWorker(const std::string& device);
  // `exited` tells metrics of the worker's end, with its reason.
  void HandleExit(const WorkerExitStatus& exit, const std::function<void(const char* reason)>& exited);
  void Publish();
  // The worker had nothing to keep when the job was to end early.
  void EndWithoutResult();
  bool IsEndingEarly() const;
  void RecordFailure(const absl::Status& failure);
  // The job is tried again later, as often as a job is. `event` is its name in the log.
  void RecordCrash(const absl::Status& crash, const char* event = "worker-crashed");
  void Requeue();
  void Discard();

  // Hears and follows the worker until it has ended.
  WorkerExitStatus FollowWorker(WorkerProcess& worker);
  void HandleProgress(const ProgressRead& read);
  void HandleLine(const std::string& text);
  void RejectLine(const std::string& reason);
  // Renews the lease in time, and kills a worker that was asked to end and has not, or that is beyond its
  // limits.
  void Watch(WorkerProcess& worker, WorkerWatch& watch);
  void RenewLease();
  std::optional<StopReason> stop_reason();

  // Writes what hours of work may hang on: while `write` fails other than with ABORTED or NOT_FOUND, tries
  // again with growing pauses, until the attempt is told to stop. `what` is for the log.
  absl::Status Persist(const char* what, const std::function<absl::Status()>& write);
  absl::Status TellIgnored(const std::vector<std::string>& names);
  void AppendEvent(const std::string& payload_json, std::optional<double> progress);
  // Remembers the sublayers that earlier attempts told of; a resumed worker tells of them again.
  void ReadToldSublayers();
  // Notes that the lease is lost. True when `status` is OK.
  bool Holds(const absl::Status& status);
  void TellPhases();
  // `code`: that of the job's error; "OK" or "CANCELLED" where it has none.
  void Finished(JobState state, std::string_view code);

  const SupervisorContext& context_;
  const SupervisorOptions& options_;
  const CheckpointKeeper& checkpoints_;
  const Lease lease_;
  const std::filesystem::path directory_;  // of this attempt; there while it runs

  // Of the thread in Run.
  ArtifactStore* artifacts_ = nullptr;  // the tenant's; set from the start of Run on
  JobRecord job_;                       // changes only in what was fetched
  double work_begins_ = 0;              // share of the job that is done when the worker starts
  bool lease_lost_ = false;
  bool leave_directory_ = false;
  std::optional<LimitBreach> breach_;     // why the worker was killed
  std::set<std::string> told_sublayers_;  // payloads of earlier attempts
  PhaseSeconds phases_;
  int events_ = 0;
  int bad_lines_ = 0;
  absl::Time next_heartbeat_ = absl::InfinitePast();
  absl::Time next_measurement_ = absl::InfinitePast();

  std::mutex mutex_;
  std::condition_variable stopped_;
  // Guarded by mutex_.
  WorkerProcess* worker_ = nullptr;  // while it may be signalled
  std::optional<StopReason> stop_;
  absl::Time kill_at_ = absl::InfiniteFuture();
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_ATTEMPT_H_
