// Runs one job in a worker on this machine and tells its story as the events of a server would.
#ifndef KPRUNE_CLIENT_LOCAL_JOB_H_
#define KPRUNE_CLIENT_LOCAL_JOB_H_

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/interrupt.h"
#include "kprune/v1/job.pb.h"

namespace kprune::client {

using EventSink = std::function<void(const kprune::v1::Event&)>;

// Runs the worker, a program and its own arguments, on `job_directory`, which holds job.json, until it ends;
// the result is then in its result/ folder. `sink` receives state_changed RUNNING, the worker's events, and
// state_changed SUCCEEDED, FAILED or CANCELLED, numbered from 1; all on the calling thread. `finish` runs
// after the worker has succeeded and before SUCCEEDED is told: its error is the job's. A signal sends SIGTERM
// to the worker and waits for it; a second one kills it. Returns the worker's own code and sentence
// (error.json), CANCELLED after a signal, INTERNAL where the worker crashed.
absl::Status RunLocalJob(const std::vector<std::string>& worker, const std::filesystem::path& job_directory,
                         Interrupt& interrupt, const EventSink& sink,
                         const std::function<absl::Status()>& finish);

// The canonical name of a code, e.g. "INVALID_ARGUMENT", and back (UNKNOWN for other text).
std::string CodeName(absl::StatusCode code);
absl::StatusCode CodeFromName(const std::string& name);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_LOCAL_JOB_H_
