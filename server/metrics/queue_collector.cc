#include "server/metrics/queue_collector.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/log.h"
#include "server/metrics/series.h"

namespace kprune {

std::vector<prometheus::MetricFamily> QueueCollector::Collect() const {
  const absl::StatusOr<QueueStats> stats = jobs_->Stats();
  if (!stats.ok()) {
    LogError("queue-not-read", {{"error", stats.status().ToString()}});
    return {};
  }
  prometheus::MetricFamily jobs = GaugeFamily("kprune_jobs", "Jobs in each state");
  for (const JobState state : kJobStates) {
    AddSample(jobs, {{"state", std::string(JobStateName(state))}},
              static_cast<double>(stats->jobs[static_cast<size_t>(state)]));
  }
  prometheus::MetricFamily oldest = GaugeFamily(
      "kprune_queue_oldest_seconds", "Seconds that the longest waiting job of each priority has been queued");
  const absl::Time now = clock_->Now();
  for (size_t i = 0; i < kPriorityClassNames.size(); ++i) {
    const absl::Duration age = now - stats->oldest_queued[i].value_or(now);
    AddSample(oldest, {{"priority", std::string(kPriorityClassNames[i])}},
              std::max(0.0, absl::ToDoubleSeconds(age)));
  }
  return {std::move(jobs), std::move(oldest)};
}

}  // namespace kprune
