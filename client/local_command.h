// How commands run a worker on this machine.
#ifndef KPRUNE_CLIENT_LOCAL_COMMAND_H_
#define KPRUNE_CLIENT_LOCAL_COMMAND_H_

#include <filesystem>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/command.h"
#include "client/job_directory.h"
#include "nlohmann/json.hpp"

namespace kprune::client {

// Writes job.json into `directory`, runs the worker there and shows its events; then `finish` (see
// RunLocalJob).
absl::Status RunWorkerIn(const std::filesystem::path& directory, const LocalJobSpec& spec, ProgressMode mode,
                         Session& session, const std::function<absl::Status()>& finish);

// Runs the worker in a temporary folder and returns the text of one file of its result.
absl::StatusOr<std::string> RunWorkerForFile(const LocalJobSpec& spec, ProgressMode mode, Session& session,
                                             const std::string& result_file);

// The same of a file of JSON. INTERNAL: it holds something else.
absl::StatusOr<nlohmann::json> RunWorkerForJson(const LocalJobSpec& spec, ProgressMode mode, Session& session,
                                                const std::string& result_file);

// The text of a file. Errors: NOT_FOUND.
absl::StatusOr<std::string> ReadTextFile(const std::filesystem::path& path);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_LOCAL_COMMAND_H_
