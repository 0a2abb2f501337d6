// What works on jobs, put together once for the server and for the tests of one: the check before the queue,
// the intake of models, the supervisor of workers, and the manager that calls go to.
#ifndef KPRUNE_SERVER_JOBS_JOB_PARTS_H_
#define KPRUNE_SERVER_JOBS_JOB_PARTS_H_

#include <optional>

#include "kprune/clock.h"
#include "kprune/job_store.h"
#include "kprune/metrics.h"
#include "kprune/tenant_artifacts.h"
#include "kprune/worker_launcher.h"
#include "server/jobs/artifact_references.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/model_intake.h"
#include "server/jobs/preflight_runner.h"
#include "server/jobs/supervisor.h"

namespace kprune {

// All borrowed, all thread-safe, and outlive the parts.
struct JobPartsContext {
  JobStore& store;
  TenantArtifacts& artifacts;
  WorkerLauncher& launcher;
  Clock& clock;
  Metrics& metrics;
  // Fetches what jobs name by a model_uri; null: no job may name one.
  const ModelFetcher* fetcher = nullptr;
};

struct JobPartsOptions {
  PreflightOptions preflight;
  SupervisorOptions supervisor;
  JobManagerOptions manager;
};

// Every part is thread-safe and borrows those above it. No job runs before supervisor.Start().
struct JobParts {
  JobParts(const JobPartsContext& context, const JobPartsOptions& options);

  ArtifactReferences references;
  PreflightRunner preflight;
  std::optional<const ModelIntake> intake;
  Supervisor supervisor;
  JobManager manager;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_JOB_PARTS_H_
