// Where the time of a worker went, by phase: what a sublayer's line says of measuring, search and tuning, and the
// time between stage lines for the phases before and after.
#ifndef KPRUNE_SERVER_JOBS_PHASE_SECONDS_H_
#define KPRUNE_SERVER_JOBS_PHASE_SECONDS_H_

#include <array>
#include <optional>

#include "absl/time/time.h"
#include "kprune/progress.h"
#include "server/jobs/progress_line.h"

namespace kprune {

// Used by one thread. `now` never falls.
class PhaseSeconds {
 public:
  void OnStage(Stage stage, absl::Time now);
  void OnSublayer(const SublayerLine& sublayer);

  // The worker has ended. The seconds of each phase, by Stage; nothing for those that there were none of.
  std::array<std::optional<double>, 6> End(absl::Time now);

 private:
  void Add(Stage stage, double seconds);

  std::array<std::optional<double>, 6> seconds_;
  std::optional<Stage> stage_;  // the worker is in it
  absl::Time since_;            // ... since
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_PHASE_SECONDS_H_
