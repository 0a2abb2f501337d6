// The checkpoints of jobs between their attempts (include/kprune/worker_protocol.h says what a worker does
// with one).
//
//   data_dir/jobs/JOB/attempt-N/scratch/checkpoint   while attempt N runs: its worker's
//   data_dir/jobs/JOB/checkpoint                     between two attempts: kept here
//
// Each step is one rename inside the job's folder, so a checkpoint is whole and in one place whenever the
// server dies; what a dead server left is found again by Recover. A checkpoint only saves time: a step that
// the disk refuses is logged, and the job starts from its first sublayer.
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
  explicit CheckpointKeeper(std::filesystem::path data_dir) : jobs_(std::move(data_dir) / "jobs") {}

  // The job directory of an attempt: the layout above.
  std::filesystem::path AttemptDirectory(const std::string& job_id, int attempt) const;

  // Moves the kept checkpoint to where the attempt's worker looks for it, before that starts. False: there is
  // none.
  bool Give(const std::string& job_id, const std::filesystem::path& attempt_directory) const;

  // Keeps the checkpoint in the directory of an attempt whose worker has gone, in place of an earlier one.
  // Nothing where it has none; anything but a folder is none.
  void Keep(const std::string& job_id, const std::filesystem::path& attempt_directory) const;

  // Removes the kept checkpoint: the job has its outcome.
  void Drop(const std::string& job_id) const;

  // For a server that starts, when no worker runs: keeps the newest checkpoint of every job of which
  // `is_unfinished` says true and removes everything else. UNAVAILABLE: something cannot be removed; else the
  // errors of `is_unfinished`.
  absl::Status Recover(
      const std::function<absl::StatusOr<bool>(const std::string& job_id)>& is_unfinished) const;

 private:
  absl::Status RecoverJob(const std::filesystem::path& folder) const;

  const std::filesystem::path jobs_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_CHECKPOINT_KEEPER_H_
