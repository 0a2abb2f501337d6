#include "server/metrics/prometheus_metrics.h"

#include <algorithm>
#include <array>

namespace kprune {
namespace {

using prometheus::Histogram;

const Histogram::BucketBoundaries kJobBuckets = {1,   5,    15,   30,   60,    120,  300,
                                                 600, 1800, 3600, 7200, 21600, 86400};
const Histogram::BucketBoundaries kPhaseBuckets = {0.1, 0.5, 1,   2.5,  5,    10,   30,
                                                   60,  300, 900, 1800, 3600, 21600};
const Histogram::BucketBoundaries kSublayerBuckets = {0.01, 0.05, 0.1, 0.25, 0.5, 1,   2.5,
                                                      5,    10,   30,  60,   300, 1800};
const Histogram::BucketBoundaries kRpcBuckets = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 600, 3600};
const Histogram::BucketBoundaries kCommitBuckets = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                    0.05,   0.1,   0.25,   0.5,   1,    5};
const Histogram::BucketBoundaries kRemovedBuckets = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1};
// Fine where models differ.
const Histogram::BucketBoundaries kAgreementBuckets = {0.5,  0.6,  0.7,  0.8,  0.85, 0.9,
                                                       0.93, 0.95, 0.97, 0.98, 0.99, 1};

constexpr std::array kFinalStatesWithoutError = {std::pair("SUCCEEDED", "OK"),
                                                 std::pair("CANCELLED", "CANCELLED")};
constexpr std::array kErrorCodes = {
    "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT", "DEADLINE_EXCEEDED",  "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "UNAUTHENTICATED",  "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",        "OUT_OF_RANGE",      "UNIMPLEMENTED",    "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS"};
// In the order of Stage.
constexpr std::array kPhases = {"load", "measure", "search", "tune", "verify", "export"};
constexpr std::array<std::string_view, 5> kSolvers = {"cholesky", "ridge", "eigen", "kept-weights", "empty"};
// A worker's word is not trusted: whatever else it says is one label.
constexpr std::string_view kOtherSolver = "other";
constexpr std::array kExitReasons = {"succeeded", "failed", "cancelled", "crashed", "killed", "drained"};
constexpr std::array kAuthFailures = {"no_token", "bad_token", "lacking_role", "rate_limit"};
constexpr std::array kQuotas = {"bytes", "jobs", "device_seconds"};

const char* Name(SublayerKind kind) {
  return kind == SublayerKind::kAttention ? "attention" : "feed_forward";
}
const char* Name(Direction direction) {
  if (direction == Direction::kFetch) return "fetch";
  return direction == Direction::kUpload ? "upload" : "download";
}

prometheus::Labels Label(const char* name, std::string_view value) { return {{name, std::string(value)}}; }

}  // namespace

PrometheusMetrics::Counters& PrometheusMetrics::MakeCounters(const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry_);
}

PrometheusMetrics::Gauges& PrometheusMetrics::MakeGauges(const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry_);
}

PrometheusMetrics::Histograms& PrometheusMetrics::MakeHistograms(const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(*registry_);
}

PrometheusMetrics::PrometheusMetrics(const std::vector<std::string>& devices)
    : registry_(std::make_shared<prometheus::Registry>()),
      jobs_finished_(MakeCounters("kprune_jobs_finished_total",
                                  "Jobs that reached a final state, by the code of their error")),
      job_attempts_(MakeCounters("kprune_job_attempts_total", "Attempts at jobs that began")),
      fenced_writes_(MakeCounters("kprune_fenced_writes_total",
                                  "Writes that were refused because their lease was stale")),
      job_seconds_(MakeHistograms("kprune_job_seconds", "Seconds from a job's creation to its final state")),
      queue_wait_seconds_(
          MakeHistograms("kprune_queue_wait_seconds", "Seconds from a job's creation to its first attempt")),
      flops_removed_(
          MakeHistograms("kprune_flops_removed_ratio", "Share of FLOPs removed from each finished model")),
      parameters_removed_(MakeHistograms("kprune_parameters_removed_ratio",
                                         "Share of parameters removed from each finished model")),
      agreement_(MakeHistograms(
          "kprune_agreement_ratio",
          "Agreement of finished models with their originals on held-out samples, by measure")),
      phase_seconds_(
          MakeHistograms("kprune_phase_seconds", "Seconds of each phase in workers that succeeded")),
      sublayer_seconds_(MakeHistograms("kprune_sublayer_seconds", "Seconds to prune one sublayer")),
      sublayers_solved_(
          MakeCounters("kprune_sublayers_solved_total", "Sublayers pruned, by what solved their refit")),
      worker_exits_(MakeCounters("kprune_worker_exits_total", "Worker processes that ended, by reason")),
      worker_restarts_(MakeCounters("kprune_worker_restarts_total",
                                    "Workers started for a job that had been tried before")),
      oom_retries_(MakeCounters("kprune_oom_retries_total",
                                "Times that a worker ran out of memory and went on with smaller batches")),
      device_busy_(MakeGauges("kprune_device_busy", "Whether a worker runs on the device")),
      transfer_bytes_(
          MakeCounters("kprune_transfer_bytes_total", "Bytes of artifacts received, sent and fetched")),
      transfer_resumes_(MakeCounters("kprune_transfer_resumes_total",
                                     "Transfers that went on where an earlier one broke off")),
      database_commit_seconds_(
          MakeHistograms("kprune_database_commit_seconds", "Seconds that commits of the job database took")),
      rpc_seconds_(MakeHistograms("kprune_rpc_seconds", "Seconds that calls took, streams from open to end")),
      open_streams_(MakeGauges("kprune_open_streams", "Streams that are open")),
      auth_failures_(
          MakeCounters("kprune_auth_failures_total", "Calls refused for who made them, by reason")),
      quota_refusals_(
          MakeCounters("kprune_quota_refusals_total", "Calls refused because a tenant's quota is used up")),
      certificate_reload_failures_(
          MakeCounters("kprune_certificate_reload_failures_total",
                       "Certificates that could not be used, so that the old ones still are")),
      access_file_reload_failures_(
          MakeCounters("kprune_access_file_reload_failures_total",
                       "Access files that could not be used, so that the ones before still are")),
      certificate_expiry_(MakeGauges("kprune_certificate_expiry_timestamp_seconds",
                                     "When the certificate ends, in seconds since 1970")) {
  MakeGauges("kprune_build_info", "Always 1; the version is a label")
      .Add({{"version", KPRUNE_VERSION}})
      .Set(1);
  for (Counters* alone : {&job_attempts_, &fenced_writes_, &worker_restarts_, &oom_retries_,
                          &certificate_reload_failures_, &access_file_reload_failures_})
    alone->Add({});
  for (const auto& [state, code] : kFinalStatesWithoutError)
    jobs_finished_.Add({{"state", state}, {"code", code}});
  for (const char* code : kErrorCodes) jobs_finished_.Add({{"state", "FAILED"}, {"code", code}});
  for (const char* state : {"SUCCEEDED", "FAILED", "CANCELLED"})
    job_seconds_.Add(Label("state", state), kJobBuckets);
  queue_wait_seconds_.Add({}, kJobBuckets);
  flops_removed_.Add({}, kRemovedBuckets);
  parameters_removed_.Add({}, kRemovedBuckets);
  for (const char* measure : kAgreementMeasures) agreement_.Add(Label("measure", measure), kAgreementBuckets);
  for (const char* phase : kPhases) phase_seconds_.Add(Label("phase", phase), kPhaseBuckets);
  for (const SublayerKind kind : {SublayerKind::kAttention, SublayerKind::kFeedForward})
    sublayer_seconds_.Add(Label("kind", Name(kind)), kSublayerBuckets);
  for (const std::string_view solver : kSolvers) sublayers_solved_.Add(Label("solver", solver));
  for (const char* reason : kExitReasons) worker_exits_.Add(Label("reason", reason));
  for (const std::string& device : devices) device_busy_.Add(Label("device", device));
  for (const Direction direction : {Direction::kUpload, Direction::kDownload, Direction::kFetch}) {
    transfer_bytes_.Add(Label("direction", Name(direction)));
    transfer_resumes_.Add(Label("direction", Name(direction)));
  }
  database_commit_seconds_.Add({}, kCommitBuckets);
  for (const char* reason : kAuthFailures) auth_failures_.Add(Label("reason", reason));
  for (const char* quota : kQuotas) quota_refusals_.Add(Label("quota", quota));
}

void PrometheusMetrics::OnJobFinished(std::string_view state, std::string_view code, double seconds) {
  jobs_finished_.Add({{"state", std::string(state)}, {"code", std::string(code)}}).Increment();
  job_seconds_.Add(Label("state", state), kJobBuckets).Observe(seconds);
}

void PrometheusMetrics::OnModelPublished(const ReportFigures& figures) {
  if (figures.flops_removed) flops_removed_.Add({}, kRemovedBuckets).Observe(*figures.flops_removed);
  if (figures.parameters_removed)
    parameters_removed_.Add({}, kRemovedBuckets).Observe(*figures.parameters_removed);
  if (figures.agreement)
    agreement_.Add(Label("measure", figures.agreement->measure), kAgreementBuckets)
        .Observe(figures.agreement->value);
}

void PrometheusMetrics::OnAttemptStarted(int attempt, double waited_seconds) {
  job_attempts_.Add({}).Increment();
  if (attempt == 1) queue_wait_seconds_.Add({}, kJobBuckets).Observe(std::max(0.0, waited_seconds));
}

void PrometheusMetrics::OnFencedWrite() { fenced_writes_.Add({}).Increment(); }

void PrometheusMetrics::OnPhase(Stage phase, double seconds) {
  phase_seconds_.Add(Label("phase", kPhases[static_cast<size_t>(phase)]), kPhaseBuckets).Observe(seconds);
}

void PrometheusMetrics::OnSublayerPruned(SublayerKind kind, std::string_view solver, double seconds) {
  sublayer_seconds_.Add(Label("kind", Name(kind)), kSublayerBuckets).Observe(seconds);
  const bool is_known = std::find(kSolvers.begin(), kSolvers.end(), solver) != kSolvers.end();
  sublayers_solved_.Add(Label("solver", is_known ? solver : kOtherSolver)).Increment();
}

void PrometheusMetrics::OnOutOfMemoryRetry() { oom_retries_.Add({}).Increment(); }

void PrometheusMetrics::OnWorkerStarted(std::string_view device, int attempt) {
  device_busy_.Add(Label("device", device)).Set(1);
  if (attempt > 1) worker_restarts_.Add({}).Increment();
}

void PrometheusMetrics::OnWorkerExit(std::string_view device, std::string_view reason) {
  device_busy_.Add(Label("device", device)).Set(0);
  worker_exits_.Add(Label("reason", reason)).Increment();
}

void PrometheusMetrics::OnBytesTransferred(Direction direction, int64_t bytes) {
  transfer_bytes_.Add(Label("direction", Name(direction))).Increment(static_cast<double>(bytes));
}

void PrometheusMetrics::OnTransferResumed(Direction direction) {
  transfer_resumes_.Add(Label("direction", Name(direction))).Increment();
}

void PrometheusMetrics::OnDatabaseCommit(double seconds) {
  database_commit_seconds_.Add({}, kCommitBuckets).Observe(seconds);
}

void PrometheusMetrics::OnMethodServed(std::string_view method, bool is_stream) {
  rpc_seconds_.Add({{"method", std::string(method)}, {"code", "OK"}}, kRpcBuckets);
  if (is_stream) open_streams_.Add(Label("method", method));
}

void PrometheusMetrics::OnStreamOpened(std::string_view method) {
  open_streams_.Add(Label("method", method)).Increment();
}

void PrometheusMetrics::OnStreamClosed(std::string_view method) {
  open_streams_.Add(Label("method", method)).Decrement();
}

void PrometheusMetrics::OnRpcFinished(std::string_view method, std::string_view code, double seconds) {
  rpc_seconds_.Add({{"method", std::string(method)}, {"code", std::string(code)}}, kRpcBuckets)
      .Observe(seconds);
}

void PrometheusMetrics::OnAuthFailure(std::string_view reason) {
  auth_failures_.Add(Label("reason", reason)).Increment();
}

void PrometheusMetrics::OnAccessFileReloadFailed() { access_file_reload_failures_.Add({}).Increment(); }

void PrometheusMetrics::OnQuotaRefused(std::string_view quota) {
  quota_refusals_.Add(Label("quota", quota)).Increment();
}

void PrometheusMetrics::OnCertificateExpiry(std::string_view certificate, absl::Time expiry) {
  certificate_expiry_.Add(Label("certificate", certificate))
      .Set(static_cast<double>(absl::ToUnixSeconds(expiry)));
}

void PrometheusMetrics::OnCertificateReloadFailed() { certificate_reload_failures_.Add({}).Increment(); }

}  // namespace kprune
