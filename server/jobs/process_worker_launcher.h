// Workers as processes of this machine, started by posix_spawn. A worker inherits nothing but /dev/null as
// its input, worker.log in its job directory as its output and errors, its progress pipe, and of the
// environment what tunes libraries; then it closes the cage around itself (cage/cage.h). It leads its own
// process group, so that ending it ends whatever it started. It dies with the server because its progress
// pipe loses its reader.
#ifndef KPRUNE_SERVER_JOBS_PROCESS_WORKER_LAUNCHER_H_
#define KPRUNE_SERVER_JOBS_PROCESS_WORKER_LAUNCHER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "kprune/worker_launcher.h"

namespace kprune {

inline constexpr char kWorkerLogFile[] = "worker.log";

// What the operator says of every worker.
struct WorkerSettings {
  std::string onnxruntime = "auto";  // its --onnxruntime
  std::string signing_key = "";      // its --signing-key; empty: none
  // WorkerLimits::memory_bytes. What a worker takes is measured now and then; so that none takes a machine's
  // memory in between, one on a CPU cannot ask for more than DataLimit of that. (A GPU's driver asks for far
  // more than it takes.)
  int64_t memory_bytes = 0;
  std::string cage = "on";  // its --cage, of kCageModes
};

class ProcessWorkerLauncher final : public WorkerLauncher {
 public:
  // `program`: the kprune-worker binary.
  explicit ProcessWorkerLauncher(std::filesystem::path program, WorkerSettings settings = {})
      : program_(std::move(program)), settings_(std::move(settings)) {}

  static int64_t DataLimit(int64_t memory_bytes) { return 2 * memory_bytes + (int64_t{256} << 20); }

  absl::StatusOr<std::unique_ptr<WorkerProcess>> Launch(const LaunchRequest& request) override;
  absl::Status EnsureGone(const ProcessIdentity& process, absl::Duration grace) override;

 private:
  const std::filesystem::path program_;
  const WorkerSettings settings_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_PROCESS_WORKER_LAUNCHER_H_
