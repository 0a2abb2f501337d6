#include "server/metrics/prometheus_metrics.h"

#include <prometheus/gauge.h>

#include <array>
#include <string>

namespace kprune {
namespace {

using prometheus::Histogram;

const Histogram::BucketBoundaries kJobBuckets = {1,   5,    15,   30,   60,    120,  300,
                                                 600, 1800, 3600, 7200, 21600, 86400};
const Histogram::BucketBoundaries kSublayerBuckets = {0.01, 0.05, 0.1, 0.25, 0.5, 1,   2.5,
                                                      5,    10,   30,  60,   300, 1800};
const Histogram::BucketBoundaries kRpcBuckets = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 600, 3600};

constexpr std::array kExitReasons = {"succeeded", "failed", "cancelled", "crashed", "killed", "drained"};

const char* Name(SublayerKind kind) {
  return kind == SublayerKind::kAttention ? "attention" : "feed_forward";
}
const char* Name(Direction direction) {
  if (direction == Direction::kFetch) return "fetch";
  return direction == Direction::kUpload ? "upload" : "download";
}

}  // namespace

PrometheusMetrics::PrometheusMetrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      job_seconds_(prometheus::BuildHistogram()
                       .Name("kprune_job_seconds")
                       .Help("Seconds from a job's creation to its final state")
                       .Register(*registry_)),
      sublayer_seconds_(prometheus::BuildHistogram()
                            .Name("kprune_sublayer_seconds")
                            .Help("Seconds to prune one sublayer")
                            .Register(*registry_)),
      transfer_bytes_(prometheus::BuildCounter()
                          .Name("kprune_transfer_bytes_total")
                          .Help("Bytes of artifacts received and sent")
                          .Register(*registry_)),
      worker_exits_(prometheus::BuildCounter()
                        .Name("kprune_worker_exits_total")
                        .Help("Worker processes that ended, by reason")
                        .Register(*registry_)),
      rpc_seconds_(prometheus::BuildHistogram()
                       .Name("kprune_rpc_seconds")
                       .Help("Seconds that calls took, streams from open to end")
                       .Register(*registry_)) {
  prometheus::BuildGauge()
      .Name("kprune_build_info")
      .Help("Always 1; the version is a label")
      .Register(*registry_)
      .Add({{"version", KPRUNE_VERSION}})
      .Set(1);
  // Series with a known set of labels are there from the start, so that a rate over them sees the first
  // event.
  for (const Direction direction : {Direction::kUpload, Direction::kDownload, Direction::kFetch})
    OnBytesTransferred(direction, 0);
  for (const char* reason : kExitReasons) worker_exits_.Add({{"reason", reason}});
  for (const SublayerKind kind : {SublayerKind::kAttention, SublayerKind::kFeedForward}) {
    sublayer_seconds_.Add({{"kind", Name(kind)}}, kSublayerBuckets);
  }
  for (const char* state : {"SUCCEEDED", "FAILED", "CANCELLED"})
    job_seconds_.Add({{"state", state}}, kJobBuckets);
}

void PrometheusMetrics::OnJobFinished(std::string_view state, double seconds) {
  job_seconds_.Add({{"state", std::string(state)}}, kJobBuckets).Observe(seconds);
}

void PrometheusMetrics::OnSublayerPruned(SublayerKind kind, double seconds) {
  sublayer_seconds_.Add({{"kind", Name(kind)}}, kSublayerBuckets).Observe(seconds);
}

void PrometheusMetrics::OnWorkerExit(std::string_view reason) {
  worker_exits_.Add({{"reason", std::string(reason)}}).Increment();
}

void PrometheusMetrics::OnBytesTransferred(Direction direction, int64_t bytes) {
  transfer_bytes_.Add({{"direction", Name(direction)}}).Increment(static_cast<double>(bytes));
}

void PrometheusMetrics::OnRpcFinished(std::string_view method, std::string_view code, double seconds) {
  rpc_seconds_.Add({{"method", std::string(method)}, {"code", std::string(code)}}, kRpcBuckets)
      .Observe(seconds);
}

}  // namespace kprune
