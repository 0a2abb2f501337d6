// How full the stores of artifacts, of all tenants together, and their disk are: kprune_artifacts,
// kprune_artifact_bytes, kprune_disk_*.
#ifndef KPRUNE_SERVER_METRICS_STORAGE_COLLECTOR_H_
#define KPRUNE_SERVER_METRICS_STORAGE_COLLECTOR_H_

#include <prometheus/collectable.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "kprune/clock.h"
#include "kprune/tenant_artifacts.h"

namespace kprune {

struct StorageCollectorOptions {
  // Any folder on the disk that the artifacts are on.
  std::filesystem::path folder;
  // Below so many free bytes uploads are refused.
  int64_t disk_low_bytes = 0;
  // The artifacts, of which there may be a million, are counted at most so often.
  absl::Duration count_interval = absl::Minutes(1);
};

// Thread-safe. Borrows both, which must outlive the exposer that collects this.
class StorageCollector final : public prometheus::Collectable {
 public:
  StorageCollector(TenantArtifacts* artifacts, const Clock* clock, StorageCollectorOptions options)
      : artifacts_(artifacts), clock_(clock), options_(std::move(options)) {}

  // Leaves out, with a line in the log, what cannot be read.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  // Counted anew where it is time.
  std::optional<ArtifactUsage> Usage() const;

  TenantArtifacts* const artifacts_;
  const Clock* const clock_;
  const StorageCollectorOptions options_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  mutable std::optional<ArtifactUsage> usage_;
  mutable absl::Time counted_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_METRICS_STORAGE_COLLECTOR_H_
