// What the service reports about itself, as domain events; server/metrics turns them into Prometheus series,
// tests record them. Implementations are thread-safe and never block.
#ifndef KPRUNE_METRICS_H_
#define KPRUNE_METRICS_H_

#include <cstdint>
#include <string_view>

#include "absl/time/time.h"
#include "kprune/progress.h"

namespace kprune {

// kFetch: from where a job's model_uri names.
enum class Direction { kUpload, kDownload, kFetch };

class Metrics {
 public:
  virtual ~Metrics() = default;

  // A job reached a final state after `seconds` from its creation.
  virtual void OnJobFinished(std::string_view state, double seconds) = 0;

  virtual void OnSublayerPruned(SublayerKind kind, double seconds) = 0;

  // `reason`: "succeeded", "failed", "cancelled", "crashed", "killed" or "drained".
  virtual void OnWorkerExit(std::string_view reason) = 0;

  virtual void OnBytesTransferred(Direction direction, int64_t bytes) = 0;

  // `method`: "kprune.v1.JobService/CreateJob"; `code`: canonical name, e.g. "OK".
  virtual void OnRpcFinished(std::string_view method, std::string_view code, double seconds) = 0;

  // A call was refused at the door. `reason`: "no_token", "bad_token", "lacking_role" or "rate_limit".
  virtual void OnAuthFailure(std::string_view reason) {}

  // A changed access file is broken; the one before is still used.
  virtual void OnAccessFileReloadFailed() {}

  // `certificate`: "server" or "client_ca". Said at the start and whenever it is replaced.
  virtual void OnCertificateExpiry(std::string_view certificate, absl::Time expiry) {}

  // Certificates were replaced by some that cannot be served; those before still are.
  virtual void OnCertificateReloadFailed() {}

  // `quota`: the one that is used up, e.g. "bytes".
  virtual void OnQuotaRefused(std::string_view /*quota*/) {}
};

}  // namespace kprune

#endif  // KPRUNE_METRICS_H_
