// Refusals of what a tenant may not have beyond its limits (TenantLimits), in the same words everywhere. Such
// a refusal carries the name of its quota, for the metrics.
#ifndef KPRUNE_SERVER_QUOTA_H_
#define KPRUNE_SERVER_QUOTA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace kprune {

// Each is RESOURCE_EXHAUSTED with what is used, what was asked for and the limit; a limit of 0 is none.
// Quota "jobs": one job more than `waiting_jobs`.
absl::Status CheckQueuedJobs(std::string_view tenant, int64_t waiting_jobs, int64_t max_queued_jobs);
// Quota "device_seconds": whether any are left.
absl::Status CheckDeviceSeconds(std::string_view tenant, double used_seconds, double max_device_seconds);
// Quota "bytes": `more_bytes` beside the used ones.
absl::Status CheckStoredBytes(std::string_view tenant, int64_t used_bytes, int64_t more_bytes,
                              int64_t max_stored_bytes);

// Which quota refused; nothing where `status` is no such refusal.
std::optional<std::string> RefusedQuota(const absl::Status& status);

}  // namespace kprune

#endif  // KPRUNE_SERVER_QUOTA_H_
