// Removes what nobody needs any more: uploads that were never finished, artifacts that no job refers to, and
// jobs that were finished long ago. Encrypts what was stored before encryption, or its key, was asked for.
#ifndef KPRUNE_SERVER_JOBS_HOUSEKEEPER_H_
#define KPRUNE_SERVER_JOBS_HOUSEKEEPER_H_

#include <atomic>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kprune/clock.h"
#include "kprune/job_store.h"
#include "kprune/tenant_artifacts.h"
#include "server/jobs/artifact_references.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/periodic_thread.h"

namespace kprune {

struct HousekeeperOptions {
  // How long an unfinished upload, or an artifact that no job refers to, stays after it was last of use. It
  // is the time from an upload to the job that needs it. Zero: for ever.
  absl::Duration keep_uploads = absl::Hours(24);
  // How long a finished job stays, with its events and its result. Zero: until it is deleted.
  absl::Duration keep_finished_jobs;
  absl::Duration interval = absl::Minutes(10);
};

// All borrowed, all thread-safe.
struct HousekeeperContext {
  JobManager& manager;
  JobStore& store;
  TenantArtifacts& artifacts;
  ArtifactReferences& references;
  Clock& clock;
};

// Thread-safe, but Start is called at most once.
class Housekeeper {
 public:
  struct Tidied {
    int jobs = 0;
    int artifacts = 0;
    int uploads = 0;
    int renewed = 0;  // artifacts, which stay
  };

  Housekeeper(HousekeeperContext context, HousekeeperOptions options);
  // Waits for one artifact at most, where it tidies up.
  ~Housekeeper() { stopping_ = true; }

  // Tidies up from now on until this is destroyed, once an interval, on a thread of its own.
  void Start();

  // Once, now. Nothing where the clock was set since the last time: ages are then not what they seem, and
  // are believed again from the next time on. The first error of the stores ends it.
  absl::StatusOr<Tidied> TidyUp();

 private:
  void TidyUpAndSaySo();
  bool ClockWasSet();
  absl::Status RemoveJobs(absl::Time now, Tidied& tidied);
  absl::Status RemoveArtifacts(absl::Time now, Tidied& tidied);
  absl::Status RemoveArtifactsOf(const std::string& tenant, absl::Time before, Tidied& tidied);
  absl::Status RenewArtifacts(Tidied& tidied);
  absl::Status RenewArtifactsOf(const std::string& tenant, Tidied& tidied);

  const HousekeeperContext context_;
  const HousekeeperOptions options_;
  std::optional<absl::Duration> clock_offset_;  // of Now from Steady; of who tidies up

  // Every artifact is as it would be written today, and all later ones are written so; of who tidies up.
  bool all_renewed_ = false;
  std::atomic<bool> stopping_ = false;

  std::optional<PeriodicThread> thread_;  // last: it uses what is above
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_HOUSEKEEPER_H_
