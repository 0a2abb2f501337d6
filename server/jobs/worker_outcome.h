// What a worker left in its job directory when it ended. Nothing of it is trusted: sizes are capped, links
// are not followed, and only files on the result's allow-list are taken.
#ifndef KPRUNE_SERVER_JOBS_WORKER_OUTCOME_H_
#define KPRUNE_SERVER_JOBS_WORKER_OUTCOME_H_

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/artifact_store.h"
#include "kprune/job.h"
#include "kprune/worker_launcher.h"

namespace kprune {

// The error that error.json tells; INTERNAL where there is none that can be read.
absl::Status ReadWorkerError(const std::filesystem::path& job_directory);

// INTERNAL: how the worker crashed, with the last lines of its log.
absl::Status DescribeCrash(const WorkerExitStatus& exit, const std::filesystem::path& job_directory);

// A small file's bytes. NOT_FOUND; RESOURCE_EXHAUSTED: it is larger than `max_bytes`.
absl::StatusOr<std::string> ReadSmallFile(const std::filesystem::path& file, size_t max_bytes);

struct CollectedResult {
  Manifest files;
  // Names that are not on the allow-list and stayed behind.
  std::vector<std::string> ignored;
};

// Stores the files of result/. INTERNAL: config.json, report.json or a model*.safetensors is missing. Else
// the store's errors.
absl::StatusOr<CollectedResult> CollectResult(const std::filesystem::path& job_directory,
                                              ArtifactStore& artifacts);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_WORKER_OUTCOME_H_
