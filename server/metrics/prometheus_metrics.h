// Metrics as Prometheus series:
//   kprune_build_info{version}                       1
//   kprune_jobs{state}                               jobs now in each state, zeros included
//   kprune_queue_oldest_seconds                      age of the longest waiting job, 0 when none waits
//   kprune_job_seconds{state}                        histogram: creation to final state
//   kprune_sublayer_seconds{kind}                    histogram: "attention", "feed_forward"
//   kprune_transfer_bytes_total{direction}           "upload", "download", "fetch"
//   kprune_worker_exits_total{reason}
//   kprune_rpc_seconds{method,code}                  histogram
#ifndef KPRUNE_SERVER_METRICS_PROMETHEUS_METRICS_H_
#define KPRUNE_SERVER_METRICS_PROMETHEUS_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <string_view>

#include "kprune/metrics.h"

namespace kprune {

// Thread-safe.
class PrometheusMetrics final : public Metrics {
 public:
  PrometheusMetrics();

  void OnJobFinished(std::string_view state, double seconds) override;
  void OnSublayerPruned(SublayerKind kind, double seconds) override;
  void OnWorkerExit(std::string_view reason) override;
  void OnBytesTransferred(Direction direction, int64_t bytes) override;
  void OnRpcFinished(std::string_view method, std::string_view code, double seconds) override;

  // What an exposer collects. Shared with it because it may outlive this in a scrape under way.
  std::shared_ptr<prometheus::Registry> registry() const { return registry_; }

 private:
  // Constant after construction; the families are owned by the registry and thread-safe.
  const std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Histogram>& job_seconds_;
  prometheus::Family<prometheus::Histogram>& sublayer_seconds_;
  prometheus::Family<prometheus::Counter>& transfer_bytes_;
  prometheus::Family<prometheus::Counter>& worker_exits_;
  prometheus::Family<prometheus::Histogram>& rpc_seconds_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_METRICS_PROMETHEUS_METRICS_H_
