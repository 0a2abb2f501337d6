#include "server/metrics/queue_collector.h"

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include <algorithm>
#include <string>
#include <utility>

#include "server/log.h"

namespace kprune {
namespace {

prometheus::ClientMetric Gauge(double value) {
  prometheus::ClientMetric metric;
  metric.gauge.value = value;
  return metric;
}

prometheus::MetricFamily GaugeFamily(const char* name, const char* help) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Gauge;
  return family;
}

}  // namespace

std::vector<prometheus::MetricFamily> QueueCollector::Collect() const {
  const absl::StatusOr<QueueStats> stats = jobs_->Stats();
  if (!stats.ok()) {
    LogError("queue-not-read", {{"error", stats.status().ToString()}});
    return {};
  }
  prometheus::MetricFamily jobs = GaugeFamily("kprune_jobs", "Jobs in each state");
  for (const JobState state : kJobStates) {
    prometheus::ClientMetric metric = Gauge(static_cast<double>(stats->jobs[static_cast<size_t>(state)]));
    metric.label.push_back({"state", std::string(JobStateName(state))});
    jobs.metric.push_back(std::move(metric));
  }
  prometheus::MetricFamily oldest =
      GaugeFamily("kprune_queue_oldest_seconds", "Seconds that the longest waiting job has been queued");
  const absl::Duration age =
      stats->oldest_queued ? clock_->Now() - *stats->oldest_queued : absl::ZeroDuration();
  oldest.metric.push_back(Gauge(std::max(0.0, absl::ToDoubleSeconds(age))));
  return {std::move(jobs), std::move(oldest)};
}

}  // namespace kprune
