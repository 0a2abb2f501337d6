// One kprune-worker process on this machine.
#ifndef KPRUNE_CLIENT_LOCAL_WORKER_H_
#define KPRUNE_CLIENT_LOCAL_WORKER_H_

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kprune::client {

// KPRUNE_WORKER, else kprune-worker beside this program. Errors: NOT_FOUND naming both.
absl::StatusOr<std::filesystem::path> FindWorker();

// A started worker. Its standard output goes to our standard error, which it shares; it leads its own process
// group, so that Ctrl-C reaches it through us only. Not thread-safe, but Signal may be called from any thread
// until Reap.
class LocalWorker {
 public:
  // `command`: the program's path and what its operator says, such as --signing-key.
  static absl::StatusOr<LocalWorker> Start(const std::vector<std::string>& command,
                                           const std::filesystem::path& job_directory);

  LocalWorker(LocalWorker&& other) noexcept;
  LocalWorker& operator=(LocalWorker&&) = delete;
  // A worker that was not reaped loses its reader, is killed and reaped.
  ~LocalWorker();

  // The next progress line, without its newline; nullopt once the worker has closed the pipe.
  std::optional<std::string> ReadLine();

  // Waits until the process has ended; its identity stays taken until Reap.
  void AwaitExit() const;

  // Releases the ended process. Returns what waitpid says. Signal must not be called from then on.
  int Reap();

  void Signal(int signal) const;

 private:
  LocalWorker(pid_t pid, int progress_fd) : pid_(pid), progress_fd_(progress_fd) {}

  pid_t pid_;  // -1: moved from or reaped
  int progress_fd_;
  std::string buffered_;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_LOCAL_WORKER_H_
