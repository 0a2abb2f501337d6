// Metrics as a list of what was said.
#ifndef KPRUNE_TESTS_FAKES_RECORDING_METRICS_H_
#define KPRUNE_TESTS_FAKES_RECORDING_METRICS_H_

#include <mutex>
#include <string>
#include <vector>

#include "kprune/metrics.h"

namespace kprune {

// Thread-safe.
class RecordingMetrics final : public Metrics {
 public:
  void OnJobFinished(std::string_view state, double) override { Add("job " + std::string(state)); }
  void OnSublayerPruned(SublayerKind kind, double) override {
    Add(kind == SublayerKind::kAttention ? "attention" : "feed-forward");
  }
  void OnWorkerExit(std::string_view reason) override { Add("worker " + std::string(reason)); }
  void OnBytesTransferred(Direction, int64_t) override {}
  void OnRpcFinished(std::string_view, std::string_view, double) override {}

  std::vector<std::string> events() const {
    std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  void Add(std::string event) {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }

  mutable std::mutex mutex_;
  std::vector<std::string> events_;  // guarded by mutex_
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_FAKES_RECORDING_METRICS_H_
