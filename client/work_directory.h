// The folder that --work-dir names: a job directory (kprune/worker_protocol.h) that stays when the job fails
// or is interrupted, so that the same command goes on where it stopped.
#ifndef KPRUNE_CLIENT_WORK_DIRECTORY_H_
#define KPRUNE_CLIENT_WORK_DIRECTORY_H_

#include <filesystem>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/interrupt.h"
#include "client/job_directory.h"

namespace kprune::client {

// Holds the folder for this process and for the worker that it starts, until both have gone. Move-only.
class WorkDirectory {
 public:
  // Makes the folder where there is none, and clears what an earlier worker left but its checkpoint and its
  // result. Waits some seconds for the worker of a killed command to end. FAILED_PRECONDITION, in one
  // sentence: it is a file, holds something else, holds unfinished work of another job than `spec`, or
  // another command works in it.
  static absl::StatusOr<WorkDirectory> Open(const std::string& name, const LocalJobSpec& spec,
                                            Interrupt& interrupt);

  WorkDirectory(WorkDirectory&& other) noexcept
      : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}
  WorkDirectory& operator=(WorkDirectory&&) = delete;
  // Leaves the folder on disk.
  ~WorkDirectory();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path result() const;

  // A worker went on to its end, but its result was not published.
  bool HasResult() const;
  // There is a checkpoint or a result: the same command has less to do.
  bool HasWork() const;

  // Once the result is published: removes what a job directory holds, and the folder where nothing else is in
  // it.
  void Remove() const;

 private:
  WorkDirectory(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  absl::Status Prepare(const LocalJobSpec& spec) const;

  std::filesystem::path path_;  // absolute
  int lock_;                    // a descriptor of the folder; the worker inherits it
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_WORK_DIRECTORY_H_
