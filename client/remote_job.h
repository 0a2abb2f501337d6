// Jobs of a server, as commands need them.
#ifndef KPRUNE_CLIENT_REMOTE_JOB_H_
#define KPRUNE_CLIENT_REMOTE_JOB_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/backoff.h"
#include "client/connection.h"
#include "kprune/v1/job.pb.h"

namespace kprune::client {

// "jobs/ID" for what a user may write: "jobs/ID", "ID", or "@latest" (the newest job of the server).
absl::StatusOr<std::string> ResolveJobName(const Connection& connection, const std::string& reference);

absl::StatusOr<kprune::v1::Job> GetJob(const Connection& connection, const std::string& name);

// Newest first, at most `limit`, over as many pages as it takes.
absl::StatusOr<std::vector<kprune::v1::Job>> ListJobs(const Connection& connection,
                                                      const std::vector<kprune::v1::JobState>& states,
                                                      int64_t limit);

// Tries again where the connection breaks: `request_id` makes that safe.
absl::StatusOr<kprune::v1::Job> CreateJob(const Connection& connection,
                                          const kprune::v1::CreateJobRequest& request,
                                          const BackoffOptions& backoff);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_REMOTE_JOB_H_
