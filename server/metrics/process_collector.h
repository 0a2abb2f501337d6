// What every program tells Prometheus of itself: process_cpu_seconds_total, process_resident_memory_bytes,
// process_open_fds, process_start_time_seconds.
#ifndef KPRUNE_SERVER_METRICS_PROCESS_COLLECTOR_H_
#define KPRUNE_SERVER_METRICS_PROCESS_COLLECTOR_H_

#include <prometheus/collectable.h>

#include <filesystem>
#include <utility>
#include <vector>

namespace kprune {

// Thread-safe.
class ProcessCollector final : public prometheus::Collectable {
 public:
  // `proc`: the folder of the kernel's files; another one in tests.
  explicit ProcessCollector(std::filesystem::path proc = "/proc") : proc_(std::move(proc)) {}

  // Nothing where the kernel's files cannot be read.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::filesystem::path proc_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_METRICS_PROCESS_COLLECTOR_H_
