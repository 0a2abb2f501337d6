#include "server/jobs/tenant_rules.h"

#include <algorithm>

#include "server/quota.h"

namespace kprune {

TenantLimits LimitsOf(const JobStoreOptions& options, std::string_view tenant) {
  return options.tenants == nullptr ? TenantLimits() : options.tenants->LimitsOf(tenant);
}

absl::Status CheckMayQueue(const JobStoreOptions& options, std::string_view tenant, int64_t waiting_jobs,
                           double used_device_seconds) {
  const TenantLimits limits = LimitsOf(options, tenant);
  if (limits.max_queued_jobs <= 0 && waiting_jobs >= options.max_queued_jobs)
    return QueueFull(options.max_queued_jobs);
  absl::Status status = CheckQueuedJobs(tenant, waiting_jobs, limits.max_queued_jobs);
  if (status.ok()) status = CheckDeviceSeconds(tenant, used_device_seconds, limits.max_device_seconds);
  return status;
}

bool MayRunMore(const TenantLimits& limits, int64_t running_jobs, double used_device_seconds) {
  return (limits.max_running_jobs <= 0 || running_jobs < limits.max_running_jobs) &&
         (limits.max_device_seconds <= 0 || used_device_seconds < limits.max_device_seconds);
}

absl::Duration DeviceTime(const StoredJob& job, absl::Time now) {
  if (!job.record.start_time) return absl::ZeroDuration();
  const bool silent = now - job.heartbeat_time > kLongestSilence;
  const absl::Time end = silent ? job.heartbeat_time : now;
  return std::max(absl::ZeroDuration(), end - *job.record.start_time);
}

int64_t UsageHour(absl::Time time) { return absl::ToUnixSeconds(time) / 3600; }

int64_t FirstUsageHour(absl::Time now) { return UsageHour(now - kUsageWindow); }

}  // namespace kprune
