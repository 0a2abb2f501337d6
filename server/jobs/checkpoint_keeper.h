// What outlives the attempts of a job: its checkpoint (include/kprune/worker_protocol.h says what a worker
// does with one) and, where a server was killed or stopped before it could publish it, its finished result.
//
//   work_dir/jobs/JOB/attempt-N/scratch/checkpoint, attempt-N/result   while attempt N runs: its worker's
//   work_dir/jobs/JOB/checkpoint, result                               between two attempts: kept here
//
// Each step is one rename inside the job's folder, so a checkpoint is whole and in one place whenever the
// server dies; what a dead server left is found again by Recover. Both only save time: a step that the disk
// refuses is logged, and the job starts from its first sublayer.
#ifndef KPRUNE_SERVER_JOBS_CHECKPOINT_KEEPER_H_
#define KPRUNE_SERVER_JOBS_CHECKPOINT_KEEPER_H_

#include <filesystem>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kprune {

// Thread-safe. `job_id` is a job's id, so it may stand in a path; `attempt_directory` is one of that job's.
class CheckpointKeeper {
 public:
  explicit CheckpointKeeper(std::filesystem::path work_dir) : jobs_(std::move(work_dir) / "jobs") {}

  // The job directory of an attempt: the layout above.
  std::filesystem::path AttemptDirectory(const std::string& job_id, int attempt) const;

  struct Given {
    bool checkpoint = false;
    // The attempt need not run: what it would make is in its directory.
    bool result = false;
  };

  // Moves what is kept to where the attempt's worker looks for it, or would leave it, before that starts.
  Given Give(const std::string& job_id, const std::filesystem::path& attempt_directory) const;

  // Keeps the checkpoint in the directory of an attempt whose worker has gone, in place of what was kept
  // earlier. Nothing where it has none; anything but a folder is none. Not its result: a worker that does not
  // end well has made none, whatever lies there.
  void Keep(const std::string& job_id, const std::filesystem::path& attempt_directory) const;

  // Removes what is kept: the job has its outcome.
  void Drop(const std::string& job_id) const;

  // A checkpoint shows by itself whether it is whole. A result does not: it is worth keeping while the
  // machine that wrote it has not been off.
  enum class Worth { kNothing, kCheckpoint, kCheckpointAndResult };

  // For a server that starts, when no worker runs: keeps of every job's folder the newest of what `worth_of`
  // says, and removes everything else. UNAVAILABLE: something cannot be removed; else the errors of
  // `worth_of`.
  absl::Status Recover(const std::function<absl::StatusOr<Worth>(const std::string& job_id)>& worth_of) const;

 private:
  // Both with nothing in the way of `to`; nothing where `from` is no folder.
  bool GiveFolder(const std::filesystem::path& from, const std::filesystem::path& to) const;
  void KeepFolder(const std::string& job_id, const std::filesystem::path& from, const char* name) const;
  void DropFolder(const std::string& job_id, const char* name) const;
  absl::Status RecoverJob(const std::filesystem::path& folder, Worth worth) const;

  const std::filesystem::path jobs_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_CHECKPOINT_KEEPER_H_
