// Of the queue in memory: whose turn it is, and what each tenant used.
#include <algorithm>
#include <utility>

#include "server/jobs/in_memory_job_store.h"
#include "server/jobs/tenant_rules.h"

namespace kprune {

absl::Status InMemoryJobStore::CheckTenantMayQueue(const std::string& tenant, absl::Time now) const {
  const int64_t waiting = std::count_if(jobs_.begin(), jobs_.end(), [&](const auto& item) {
    const JobRecord& job = item.second.job.record;
    return job.tenant == tenant && (job.state == JobState::kQueued || job.state == JobState::kRetryWait);
  });
  return CheckMayQueue(options_, tenant, waiting, CountDeviceSeconds(tenant, now));
}

int64_t InMemoryJobStore::CountRunning(std::string_view tenant) const {
  return std::count_if(jobs_.begin(), jobs_.end(), [&](const auto& item) {
    const JobRecord& job = item.second.job.record;
    return job.tenant == tenant && job.state == JobState::kRunning;
  });
}

double InMemoryJobStore::CountDeviceSeconds(std::string_view tenant, absl::Time now) const {
  double seconds = 0;
  if (const auto use = device_use_.find(tenant); use != device_use_.end()) {
    for (const auto& [hour, used] : use->second) seconds += hour >= FirstUsageHour(now) ? used : 0;
  }
  for (const auto& [rank, entry] : jobs_) {
    const JobRecord& job = entry.job.record;
    if (job.tenant == tenant && job.state == JobState::kRunning)
      seconds += absl::ToDoubleSeconds(DeviceTime(entry.job, now));
  }
  return seconds;
}

void InMemoryJobStore::CountEndedAttempt(JobState before, const StoredJob& job, absl::Time now) {
  if (before != JobState::kRunning || job.record.state == JobState::kRunning) return;
  device_use_[job.record.tenant][UsageHour(now)] += absl::ToDoubleSeconds(DeviceTime(job, now));
}

std::tuple<int64_t, int64_t, std::string> InMemoryJobStore::TurnOf(const std::string& tenant) const {
  const auto served = served_.find(tenant);
  return {CountRunning(tenant), served == served_.end() ? 0 : served->second, tenant};
}

absl::StatusOr<ClaimResult> InMemoryJobStore::Claim(std::string_view device, absl::Time now) {
  ClaimResult result;
  {
    std::lock_guard lock(mutex_);
    Entry* first = nullptr;
    for (auto& [rank, entry] : jobs_) {
      if (!MayClaim(entry.job, device)) continue;
      const std::string& tenant = entry.job.record.tenant;
      if (!MayRunMore(LimitsOf(options_, tenant), CountRunning(tenant), CountDeviceSeconds(tenant, now))) {
        result.retry_at = std::min(result.retry_at, now + kLimitsInterval);
        continue;
      }
      const absl::Time not_before = entry.job.not_before;
      if (entry.job.record.state == JobState::kRetryWait && not_before > now &&
          not_before <= now + LongestBackoff(options_)) {
        result.retry_at = std::min(result.retry_at, not_before);
        continue;
      }
      const auto turn = [&](const Entry& job) {
        return std::pair(TurnOf(job.job.record.tenant), -job.job.record.input.priority);
      };
      if (first == nullptr || turn(entry) < turn(*first)) first = &entry;
    }
    if (first != nullptr) {
      ApplyClaim(first->job, now);
      served_[first->job.record.tenant] = ++claims_;
      first->AppendStateChange(now);
      result = {first->job.record, absl::InfiniteFuture()};
    }
  }
  if (result.job) notifier_.Notify(result.job->id);
  return result;
}

absl::StatusOr<double> InMemoryJobStore::DeviceSeconds(std::string_view tenant, absl::Time now) {
  std::lock_guard lock(mutex_);
  return CountDeviceSeconds(tenant, now);
}

}  // namespace kprune
