// Brings a job's result to this machine.
#ifndef KPRUNE_CLIENT_RESULT_FETCHER_H_
#define KPRUNE_CLIENT_RESULT_FETCHER_H_

#include "absl/status/status.h"
#include "client/command.h"
#include "client/connection.h"
#include "client/output_folder.h"
#include "kprune/v1/job.pb.h"

namespace kprune::client {

// Downloads every file of the job's result, whichever tenant's it is, into a hidden folder beside `output`,
// then makes that folder the output. What was downloaded before a failure or a signal stays there, and the
// next call for the same result goes on from it. Errors: FAILED_PRECONDITION where the job has not succeeded or another process is fetching
// the same result here; those of CheckOutput and of Downloader.
absl::Status FetchResult(const Connection& connection, const kprune::v1::Job& job, const OutputFolder& output,
                         ProgressMode mode, Session& session);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_RESULT_FETCHER_H_
