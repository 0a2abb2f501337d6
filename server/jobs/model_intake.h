// The model that a job names by a URI, made the job's own: fetched, stored as artifacts, recorded in the job
// and checked as an uploaded one is before it is queued. From then on the job never depends on its source.
#ifndef KPRUNE_SERVER_JOBS_MODEL_INTAKE_H_
#define KPRUNE_SERVER_JOBS_MODEL_INTAKE_H_

#include <filesystem>
#include <functional>

#include "absl/status/status.h"
#include "kprune/artifact_store.h"
#include "kprune/clock.h"
#include "kprune/job_store.h"
#include "kprune/metrics.h"
#include "server/jobs/artifact_references.h"
#include "server/jobs/preflight_runner.h"
#include "server/sources/model_fetcher.h"

namespace kprune {

// Of a whole job, what fetching its model counts for in its progress.
inline constexpr double kFetchShare = 0.1;

// What an intake works with; all borrowed, all thread-safe.
struct ModelIntakeContext {
  const ModelFetcher& fetcher;
  PreflightRunner& preflight;
  JobStore& store;
  ArtifactReferences& references;
  Clock& clock;
  Metrics& metrics;
};

// Thread-safe.
class ModelIntake {
 public:
  explicit ModelIntake(ModelIntakeContext context) : context_(context) {}

  // Whether the URI may be fetched; see ModelFetcher::Check.
  absl::Status Check(std::string_view uri) const { return context_.fetcher.Check(uri).status(); }

  // Fetches the model of `input` (a running job's, under `lease`) into `folder`, which is made and is gone
  // afterwards, stores it in `artifacts`, the job's tenant's, and fills input.model. Progress becomes events
  // of stage LOAD, at most one a second. Ends with CANCELLED where `go_on`, asked ten times a second, says
  // so. Other errors are the job's failure: those of ModelFetcher::Fetch and of the preflight; ABORTED: the
  // lease is lost.
  absl::Status Run(const Lease& lease, const std::filesystem::path& folder,
                   const std::function<bool()>& go_on, ArtifactStore& artifacts, JobInput& input) const;

 private:
  absl::StatusOr<FetchedModel> Fetch(const Lease& lease, const std::filesystem::path& folder,
                                     const std::function<bool()>& go_on, const std::string& uri) const;
  // Stores the files and records them.
  absl::StatusOr<Manifest> Keep(const Lease& lease, ArtifactStore& artifacts,
                                const FetchedModel& fetched) const;

  const ModelIntakeContext context_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_MODEL_INTAKE_H_
