// Follows a job to its end, through broken connections and server restarts.
#ifndef KPRUNE_CLIENT_JOB_WATCHER_H_
#define KPRUNE_CLIENT_JOB_WATCHER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "client/backoff.h"
#include "client/connection.h"
#include "client/progress_display.h"
#include "kprune/v1/job.pb.h"

namespace kprune::client {

struct WatchOptions {
  // Once the server was reached.
  BackoffOptions backoff;
  // How long to wait for a server that has not been reached yet.
  absl::Duration patience = absl::ZeroDuration();
};

// Shows every event of the job once, in order, until its last one. Returns OK when the job SUCCEEDED, the
// job's error when it FAILED, CANCELLED when it was cancelled or a signal came, UNAVAILABLE where the server
// stays away.
absl::Status WatchJob(const Connection& connection, const std::string& name, const WatchOptions& options,
                      ProgressDisplay& display);

// What a job's final state means for its watcher; OK for states that are not final.
absl::Status OutcomeOf(const std::string& name, kprune::v1::JobState state, const kprune::v1::Error& error);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_JOB_WATCHER_H_
