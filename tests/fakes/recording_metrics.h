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
  void OnJobFinished(std::string_view state, std::string_view, double) override {
    Add("job " + std::string(state));
  }
  void OnSublayerPruned(SublayerKind kind, std::string_view, double) override {
    Add(kind == SublayerKind::kAttention ? "attention" : "feed-forward");
  }
  void OnWorkerExit(std::string_view, std::string_view reason) override {
    Add("worker " + std::string(reason));
  }
  void OnAttemptStarted(int attempt, double waited_seconds) override {
    AddDetail("attempt " + std::to_string(attempt) + (waited_seconds >= 0 ? "" : " before its job"));
  }
  void OnFencedWrite() override { AddDetail("fenced write"); }
  void OnPhase(Stage phase, double) override {
    AddDetail("phase " + std::to_string(static_cast<int>(phase)));
  }
  void OnOutOfMemoryRetry() override { AddDetail("out of memory"); }
  void OnWorkerStarted(std::string_view device, int attempt) override {
    AddDetail("worker " + std::to_string(attempt) + " on " + std::string(device));
  }
  void OnModelPublished(const ReportFigures& figures) override {
    AddDetail("model with " + std::to_string(figures.flops_removed.value_or(-1)) + " removed");
  }
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

  // Jobs, sublayers and how workers ended.
  std::vector<std::string> events() const {
    std::lock_guard lock(mutex_);
    return events_;
  }
  // The rest.
  std::vector<std::string> details() const {
    std::lock_guard lock(mutex_);
    return details_;
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
  void AddDetail(std::string event) {
    std::lock_guard lock(mutex_);
    details_.push_back(std::move(event));
  }

  mutable std::mutex mutex_;
  std::vector<std::string> events_, details_;  // guarded by mutex_
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_FAKES_RECORDING_METRICS_H_
