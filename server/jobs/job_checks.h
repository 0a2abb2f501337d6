// What can be said against a job without reading a byte of its files: names, sizes, digests, counts,
// presence.
#ifndef KPRUNE_SERVER_JOBS_JOB_CHECKS_H_
#define KPRUNE_SERVER_JOBS_JOB_CHECKS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "kprune/artifact_store.h"
#include "kprune/job.h"

namespace kprune {

// INVALID_ARGUMENT: too many files, a name that is refused or given twice, a malformed digest or size, no
// config.json, no weights, both files and a URI as model, no data, a priority out of range, or a device that
// is not one of `devices`.
absl::Status CheckInput(const JobInput& input, int64_t max_files, const std::vector<std::string>& devices);

// FAILED_PRECONDITION: an artifact is not stored completely. INVALID_ARGUMENT: its size is not the declared
// one.
absl::Status CheckArtifacts(const JobInput& input, ArtifactStore& artifacts);

// Reads every artifact to its end. DATA_LOSS: the stored bytes no longer have their digest; names the file.
absl::Status VerifyArtifacts(const JobInput& input, ArtifactStore& artifacts);

// INVALID_ARGUMENT: longer than 128 bytes.
absl::Status CheckRequestId(std::string_view request_id);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_JOB_CHECKS_H_
