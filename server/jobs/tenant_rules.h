// What a tenant may do with the queue, as pure functions: the one place that says it, for every JobStore.
#ifndef KPRUNE_SERVER_JOBS_TENANT_RULES_H_
#define KPRUNE_SERVER_JOBS_TENANT_RULES_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/jobs/job_transitions.h"

namespace kprune {

// While a tenant at a limit has jobs waiting, its limits, which may change, are looked at so often.
inline constexpr absl::Duration kLimitsInterval = absl::Minutes(1);

// A worker whose lease was not renewed for so long is counted to its last renewal only: its server was off.
inline constexpr absl::Duration kLongestSilence = absl::Minutes(1);

// Without limits where the options name no tenants.
TenantLimits LimitsOf(const JobStoreOptions& options, std::string_view tenant);

// Whether the tenant may queue a job beside the `waiting_jobs`. RESOURCE_EXHAUSTED: those of quota.h, and the
// queue's own limit where the tenant has none.
absl::Status CheckMayQueue(const JobStoreOptions& options, std::string_view tenant, int64_t waiting_jobs,
                           double used_device_seconds);

// Whether one more of the tenant's jobs may run.
bool MayRunMore(const TenantLimits& limits, int64_t running_jobs, double used_device_seconds);

// How long the worker of a job, which is RUNNING or was until now, has had its device.
absl::Duration DeviceTime(const StoredJob& job, absl::Time now);

// The hour since 1970 that device seconds of this time are counted in, and the first one that counts at this
// time.
int64_t UsageHour(absl::Time time);
int64_t FirstUsageHour(absl::Time now);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_TENANT_RULES_H_
