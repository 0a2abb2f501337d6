// Checks a job before it is queued: runs the worker's preflight on the job's files in a limited process.
#ifndef KPRUNE_SERVER_JOBS_PREFLIGHT_RUNNER_H_
#define KPRUNE_SERVER_JOBS_PREFLIGHT_RUNNER_H_

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "kprune/artifact_store.h"
#include "kprune/clock.h"
#include "kprune/job.h"
#include "kprune/worker_launcher.h"

namespace kprune {

struct PreflightOptions {
  // Its folder preflight/ holds one job directory a check; what a dead server left there is removed at
  // construction.
  std::filesystem::path work_dir;
  // A check that takes longer is killed and refused.
  absl::Duration time_limit = absl::Seconds(10);
};

// Thread-safe.
class PreflightRunner {
 public:
  PreflightRunner(WorkerLauncher& launcher, Clock& clock, PreflightOptions options);

  // The files of `input` are in `artifacts`. Returns kprune.v1.Preflight in proto3 JSON, or why the job is
  // refused: the worker's own code and sentence, DEADLINE_EXCEEDED, or INTERNAL where the worker crashed.
  // Blocks up to the time limit.
  absl::StatusOr<std::string> Run(const JobInput& input, ArtifactStore& artifacts);

 private:
  WorkerLauncher& launcher_;
  Clock& clock_;
  const PreflightOptions options_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_PREFLIGHT_RUNNER_H_
