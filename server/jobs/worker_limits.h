// When a running worker has to be killed: it gives no sign of life, or takes more than the operator allows.
#ifndef KPRUNE_SERVER_JOBS_WORKER_LIMITS_H_
#define KPRUNE_SERVER_JOBS_WORKER_LIMITS_H_

#include <cstdint>
#include <filesystem>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "kprune/worker_launcher.h"

namespace kprune {

// 0 is no limit.
struct WorkerLimits {
  // Without a progress line and without using the processor: stopped, or waiting for what never comes. Both
  // are seen from outside, so that nothing a worker computes can keep it from showing that it lives.
  absl::Duration silence = absl::Minutes(10);
  // One attempt, from start to end.
  absl::Duration time;
  // Its own memory (WorkerUsage).
  int64_t memory_bytes = 0;
  // What it writes to its job directory.
  int64_t scratch_bytes = 0;
};

struct LimitBreach {
  // Silence is a crash, which another attempt may not have; the other limits end the job.
  bool is_crash = false;
  // What was exceeded, as the job's error: UNAVAILABLE, DEADLINE_EXCEEDED or RESOURCE_EXHAUSTED.
  absl::Status why;
};

// One worker against its limits. Not thread-safe. Times are of Clock::Steady.
class WorkerWatch {
 public:
  WorkerWatch(const WorkerLimits& limits, absl::Time start)
      : limits_(limits), start_(start), last_sign_(start) {}

  // It sent a progress line.
  void Heard(absl::Time now) { last_sign_ = now; }

  std::optional<LimitBreach> Check(absl::Time now, const WorkerUsage& usage, int64_t scratch_bytes);

 private:
  const WorkerLimits limits_;
  const absl::Time start_;
  absl::Time last_sign_;
  absl::Duration last_cpu_time_;
};

// Bytes of the files that a worker wrote to its job directory: all but its inputs.
int64_t ScratchBytes(const std::filesystem::path& job_directory);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_WORKER_LIMITS_H_
