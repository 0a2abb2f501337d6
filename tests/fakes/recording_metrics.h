// Metrics as a list of what was said.
#ifndef KPRUNE_TESTS_FAKES_RECORDING_METRICS_H_
#define KPRUNE_TESTS_FAKES_RECORDING_METRICS_H_

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
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
  void OnAuthFailure(std::string_view reason) override { Add("refused " + std::string(reason)); }
  void OnAccessFileReloadFailed() override { Add("access file broken"); }
  void OnCertificateReloadFailed() override { Add("certificate broken"); }
  void OnCertificateExpiry(std::string_view certificate, absl::Time expiry) override {
    Add(std::string(certificate) + " certificate until " +
        absl::FormatTime(absl::RFC3339_sec, expiry, absl::UTCTimeZone()));
  }
  void OnQuotaRefused(std::string_view quota) override { Add("quota " + std::string(quota)); }

  std::vector<std::string> events() const {
    std::lock_guard lock(mutex_);
    return events_;
  }

  // How often it was said.
  long Count(const std::string& event) const {
    std::lock_guard lock(mutex_);
    return std::count(events_.begin(), events_.end(), event);
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
