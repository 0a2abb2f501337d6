// How full the stores of artifacts, of all tenants together, and their disk are: kprune_artifacts,
// kprune_artifact_bytes, kprune_disk_*.
#ifndef KPRUNE_SERVER_METRICS_STORAGE_COLLECTOR_H_
#define KPRUNE_SERVER_METRICS_STORAGE_COLLECTOR_H_

#include <prometheus/collectable.h>

#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "kprune/tenant_artifacts.h"

namespace kprune {

struct StorageCollectorOptions {
  // Any folder on the disk that the artifacts are on.
  std::filesystem::path folder;
  // Below so many free bytes uploads are refused.
  int64_t disk_low_bytes = 0;
};

// Thread-safe. Borrows `artifacts`, which must outlive the exposer that collects this.
class StorageCollector final : public prometheus::Collectable {
 public:
  StorageCollector(TenantArtifacts* artifacts, StorageCollectorOptions options)
      : artifacts_(artifacts), options_(std::move(options)) {}

  // Leaves out, with a line in the log, what cannot be read.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  TenantArtifacts* const artifacts_;
  const StorageCollectorOptions options_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_METRICS_STORAGE_COLLECTOR_H_
