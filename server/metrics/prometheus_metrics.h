// Metrics as Prometheus series; docs/metrics.md lists them all. Those that count, with a known set of labels,
// are there from the start at 0, so that a rate over them sees the first event.
#ifndef KPRUNE_SERVER_METRICS_PROMETHEUS_METRICS_H_
#define KPRUNE_SERVER_METRICS_PROMETHEUS_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kprune/metrics.h"

namespace kprune {

// Thread-safe.
class PrometheusMetrics final : public Metrics {
 public:
  // `devices`: the ids of those that run jobs.
  explicit PrometheusMetrics(const std::vector<std::string>& devices = {"cpu"});

  void OnJobFinished(std::string_view state, std::string_view code, double seconds) override;
  void OnModelPublished(const ReportFigures& figures) override;
  void OnAttemptStarted(int attempt, double waited_seconds) override;
  void OnFencedWrite() override;
  void OnPhase(Stage phase, double seconds) override;
  void OnSublayerPruned(SublayerKind kind, std::string_view solver, double seconds) override;
  void OnOutOfMemoryRetry() override;
  void OnWorkerStarted(std::string_view device, int attempt) override;
  void OnWorkerExit(std::string_view device, std::string_view reason) override;
  void OnBytesTransferred(Direction direction, int64_t bytes) override;
  void OnTransferResumed(Direction direction) override;
  void OnDatabaseCommit(double seconds) override;
  void OnMethodServed(std::string_view method, bool is_stream) override;
  void OnStreamOpened(std::string_view method) override;
  void OnStreamClosed(std::string_view method) override;
  void OnRpcFinished(std::string_view method, std::string_view code, double seconds) override;
  void OnAuthFailure(std::string_view reason) override;
  void OnAccessFileReloadFailed() override;
  void OnQuotaRefused(std::string_view quota) override;
  void OnCertificateExpiry(std::string_view certificate, absl::Time expiry) override;
  void OnCertificateReloadFailed() override;

  // What an exposer collects. Shared with it because it may outlive this in a scrape under way.
  std::shared_ptr<prometheus::Registry> registry() const { return registry_; }

 private:
  using Counters = prometheus::Family<prometheus::Counter>;
  using Gauges = prometheus::Family<prometheus::Gauge>;
  using Histograms = prometheus::Family<prometheus::Histogram>;

  Counters& MakeCounters(const char* name, const char* help);
  Gauges& MakeGauges(const char* name, const char* help);
  Histograms& MakeHistograms(const char* name, const char* help);

  // Constant after construction; the families are owned by the registry and thread-safe.
  const std::shared_ptr<prometheus::Registry> registry_;
  Counters &jobs_finished_, &job_attempts_, &fenced_writes_;
  Histograms &job_seconds_, &queue_wait_seconds_;
  Histograms &flops_removed_, &parameters_removed_, &agreement_;
  Histograms &phase_seconds_, &sublayer_seconds_;
  Counters& sublayers_solved_;
  Counters &worker_exits_, &worker_restarts_, &oom_retries_;
  Gauges& device_busy_;
  Counters &transfer_bytes_, &transfer_resumes_;
  Histograms &database_commit_seconds_, &rpc_seconds_;
  Gauges& open_streams_;
  Counters &auth_failures_, &quota_refusals_, &certificate_reload_failures_, &access_file_reload_failures_;
  Gauges& certificate_expiry_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_METRICS_PROMETHEUS_METRICS_H_
