#include "exporter/queue_board.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "server/log.h"
#include "server/metrics/series.h"

namespace kprune {
namespace {

double Seconds(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + 1e-9 * time.nanos();
}

// Of all queues together.
struct Totals {
  std::map<std::string, double> jobs;  // by state
  double backlog = 0;
  std::array<double, 3> oldest_age_seconds{};  // high, normal, low
};

constexpr std::array kPriorities = {"high", "normal", "low"};

void Add(const v1::QueueStats& queue, Totals& totals) {
  for (const v1::QueueStats::StateCount& count : queue.states())
    totals.jobs[v1::JobState_Name(count.state())] += static_cast<double>(count.jobs());
  totals.backlog += static_cast<double>(queue.backlog());
  const std::array<std::pair<bool, const google::protobuf::Timestamp*>, 3> oldest = {
      {{queue.has_oldest_high(), &queue.oldest_high()},
       {queue.has_oldest_normal(), &queue.oldest_normal()},
       {queue.has_oldest_low(), &queue.oldest_low()}}};
  for (size_t i = 0; i < oldest.size(); ++i) {
    const auto& [waits, since] = oldest[i];
    double& age = totals.oldest_age_seconds[i];
    if (waits) age = std::max(age, Seconds(queue.time()) - Seconds(*since));
  }
}

void AddQueueFamilies(const Totals& totals, std::vector<prometheus::MetricFamily>& families) {
  prometheus::MetricFamily jobs =
      GaugeFamily("kprune_queue_jobs", "Jobs in each state, of all queues together");
  for (const auto& [state, count] : totals.jobs) AddSample(jobs, {{"state", state}}, count);
  prometheus::MetricFamily oldest =
      GaugeFamily("kprune_queue_oldest_age_seconds",
                  "Seconds that the longest waiting job of each priority has been queued");
  for (size_t i = 0; i < kPriorities.size(); ++i)
    AddSample(oldest, {{"priority", kPriorities[i]}}, totals.oldest_age_seconds[i]);
  families.push_back(std::move(jobs));
  families.push_back(std::move(oldest));
  families.push_back(
      WithSample(GaugeFamily("kprune_queue_backlog",
                             "Jobs that need a worker now or soon: QUEUED, RUNNING and RETRY_WAIT"),
                 totals.backlog));
}

}  // namespace

void QueueBoard::Show(std::vector<PolledServer> servers) {
  std::map<std::string, bool> was_up;
  {
    std::lock_guard lock(mutex_);
    for (const PolledServer& server : servers_) was_up[server.server] = server.queue.has_value();
    servers_ = servers;
  }
  for (const PolledServer& server : servers) {
    const auto before = was_up.find(server.server);
    if (before != was_up.end() && before->second == server.queue.has_value()) continue;
    if (server.queue) LogInfo("server-up", {{"server", server.server}});
    if (!server.queue) LogWarning("server-down", {{"server", server.server}, {"reason", server.error}});
  }
}

std::vector<prometheus::MetricFamily> QueueBoard::Collect() const {
  prometheus::MetricFamily build =
      GaugeFamily("kprune_exporter_build_info", "Always 1; the version is a label");
  AddSample(build, {{"version", KPRUNE_VERSION}}, 1);
  prometheus::MetricFamily up = GaugeFamily("kprune_up", "Whether the server answered the last time");
  prometheus::MetricFamily seconds = GaugeFamily(
      "kprune_scrape_seconds", "Seconds that the server took to answer, or not to, the last time");
  std::set<std::string> queues;  // ids
  Totals totals;
  std::lock_guard lock(mutex_);
  for (const PolledServer& server : servers_) {
    AddSample(up, {{"server", server.server}}, server.queue ? 1 : 0);
    AddSample(seconds, {{"server", server.server}}, server.seconds);
    if (server.queue && queues.insert(server.queue->queue_id()).second) Add(*server.queue, totals);
  }
  std::vector<prometheus::MetricFamily> families = {std::move(build)};
  if (!servers_.empty()) families.insert(families.end(), {std::move(up), std::move(seconds)});
  if (!queues.empty()) AddQueueFamilies(totals, families);
  return families;
}

}  // namespace kprune
