// What the service reports about itself, as domain events; server/metrics turns them into Prometheus series
// (docs/metrics.md), tests record them. Implementations are thread-safe and never block.
#ifndef KPRUNE_METRICS_H_
#define KPRUNE_METRICS_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/time/time.h"
#include "kprune/progress.h"

namespace kprune {

// kFetch: from where a job's model_uri names.
enum class Direction { kUpload, kDownload, kFetch };

// What a model's agreement with its original is measured by, as the report calls it (docs/report.md): the
// share of equal predictions where there are classes, the mean cosine of embeddings, else the rank
// correlation of outputs. The first one that a report has is the one that counts.
inline constexpr const char* kAgreementMeasures[] = {"top1", "cosine", "spearman"};

struct AgreementFigure {
  std::string_view measure;  // of kAgreementMeasures
  double value = 0;          // from 0 to 1
};

// What one model of a result is, from its report.json: shares from 0 to 1, and nothing where the report does
// not tell.
struct ReportFigures {
  std::optional<double> flops_removed;
  std::optional<double> parameters_removed;
  std::optional<AgreementFigure> agreement;  // on samples that did not prune
};

// Events that few implementations care about do nothing unless they are overridden.
class Metrics {
 public:
  virtual ~Metrics() = default;

  // A job reached a final state after `seconds` from its creation. `code`: "OK", "CANCELLED", or that of its
  // error.
  virtual void OnJobFinished(std::string_view state, std::string_view code, double seconds) = 0;

  // One model of the result of a job that succeeded, or was ended early.
  virtual void OnModelPublished(const ReportFigures& /*figures*/) {}

  // A job was claimed, for the first time where `attempt` is 1; `waited_seconds` from its creation.
  virtual void OnAttemptStarted(int /*attempt*/, double /*waited_seconds*/) {}

  // The store refused what the holder of a stale lease wrote.
  virtual void OnFencedWrite() {}

  // Seconds of a phase in a worker that succeeded.
  virtual void OnPhase(Stage /*phase*/, double /*seconds*/) {}

  // `solver`: as the worker calls it (kprune/progress.h); "" where it does not say.
  virtual void OnSublayerPruned(SublayerKind kind, std::string_view solver, double seconds) = 0;

  // A worker's memory ran out, and it goes on with smaller batches.
  virtual void OnOutOfMemoryRetry() {}

  // A worker is at work on `device`, for the `attempt`-th try of its job; it ends with OnWorkerExit.
  virtual void OnWorkerStarted(std::string_view /*device*/, int /*attempt*/) {}

  // `reason`: "succeeded", "failed", "cancelled", "crashed", "killed" or "drained".
  virtual void OnWorkerExit(std::string_view device, std::string_view reason) = 0;

  virtual void OnBytesTransferred(Direction direction, int64_t bytes) = 0;

  // A transfer goes on where an earlier one broke off.
  virtual void OnTransferResumed(Direction /*direction*/) {}

  // The job database committed a transaction, or failed to, after `seconds`.
  virtual void OnDatabaseCommit(double /*seconds*/) {}

  // A method can be called from now on. `method` here and below: "kprune.v1.JobService/CreateJob".
  virtual void OnMethodServed(std::string_view /*method*/, bool /*is_stream*/) {}

  // Between these two a stream is open.
  virtual void OnStreamOpened(std::string_view /*method*/) {}
  virtual void OnStreamClosed(std::string_view /*method*/) {}

  // `code`: canonical name, e.g. "OK".
  virtual void OnRpcFinished(std::string_view method, std::string_view code, double seconds) = 0;

  // A call was refused at the door. `reason`: "no_token", "bad_token", "lacking_role" or "rate_limit".
  virtual void OnAuthFailure(std::string_view /*reason*/) {}

  // A changed access file is broken; the one before is still used.
  virtual void OnAccessFileReloadFailed() {}

  // `quota`: the one that is used up, e.g. "bytes".
  virtual void OnQuotaRefused(std::string_view /*quota*/) {}

  // `certificate`, "server" or "client_ca", is in use from now on and ends at `expiry`.
  virtual void OnCertificateExpiry(std::string_view /*certificate*/, absl::Time /*expiry*/) {}

  // Certificates were replaced by some that cannot be served; those before still are.
  virtual void OnCertificateReloadFailed() {}
};

}  // namespace kprune

#endif  // KPRUNE_METRICS_H_
