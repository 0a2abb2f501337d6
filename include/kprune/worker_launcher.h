// Starting, hearing and ending workers. What a worker is told and answers is in worker_protocol.h.
#ifndef KPRUNE_WORKER_LAUNCHER_H_
#define KPRUNE_WORKER_LAUNCHER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace kprune {

// Names one process for ever: a pid is used again, a pid with its start time since that boot is not.
struct ProcessIdentity {
  int64_t pid = 0;          // 0: no process
  int64_t start_ticks = 0;  // field 22 of /proc/PID/stat
  std::string boot_id;      // /proc/sys/kernel/random/boot_id

  bool operator==(const ProcessIdentity&) const = default;
};

struct LaunchRequest {
  // Holds job.json; the worker's own messages go to worker.log in it.
  std::filesystem::path job_directory;
  // "cpu" or "cuda:N".
  std::string device;
};

// How a worker ended.
struct WorkerExitStatus {
  // Exit status (enum WorkerExit), or the signal's number where `signalled`.
  int value = 0;
  bool signalled = false;
};

// What a running worker has used so far.
struct WorkerUsage {
  absl::Duration cpu_time;
  // Its own memory, without the files that it has mapped.
  int64_t memory_bytes = 0;
};

struct ProgressRead {
  enum class Kind {
    kLine,     // `line` is one whole line without its newline
    kTimeout,  // nothing came in time
    kTooLong,  // a line over kMaxProgressLineBytes was dropped
    kClosed,   // the worker closed its end: it is ending
  };
  Kind kind = Kind::kTimeout;
  std::string line;
};

// Longest progress line that is read.
inline constexpr int kMaxProgressLineBytes = 64 * 1024;

// One started worker. ReadProgress, Usage and Wait belong to one thread; Terminate and Kill may come from
// any. Destroying it kills a worker that still runs and reaps it.
class WorkerProcess {
 public:
  virtual ~WorkerProcess() = default;

  virtual const ProcessIdentity& identity() const = 0;

  virtual ProgressRead ReadProgress(absl::Duration timeout) = 0;

  // Nothing where it has ended.
  virtual std::optional<WorkerUsage> Usage() = 0;

  // Nothing while it still runs after `timeout`. Once it has ended, always its status.
  virtual std::optional<WorkerExitStatus> Wait(absl::Duration timeout) = 0;

  // Asks it to end (SIGTERM) and makes it end (SIGKILL, with whatever it started). Nothing where it has
  // ended.
  virtual void Terminate() = 0;
  virtual void Kill() = 0;
};

// Thread-safe.
class WorkerLauncher {
 public:
  virtual ~WorkerLauncher() = default;

  // UNAVAILABLE: the program cannot be started.
  virtual absl::StatusOr<std::unique_ptr<WorkerProcess>> Launch(const LaunchRequest& request) = 0;

  // Returns once that process has gone, killing it after `grace`. OK where it has gone already or the pid
  // belongs to another process by now. DEADLINE_EXCEEDED: it cannot be killed.
  virtual absl::Status EnsureGone(const ProcessIdentity& process, absl::Duration grace) = 0;
};

}  // namespace kprune

#endif  // KPRUNE_WORKER_LAUNCHER_H_
