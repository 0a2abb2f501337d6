#include "server/metrics/storage_collector.h"

#include <string>
#include <system_error>

#include "server/log.h"
#include "server/metrics/series.h"

namespace kprune {
namespace {

ArtifactUsage UsageOfAll(TenantArtifacts& artifacts) {
  ArtifactUsage sum;
  for (const std::string& tenant : artifacts.Tenants()) {
    const absl::StatusOr<ArtifactStore*> store = artifacts.Of(tenant);
    if (!store.ok()) continue;  // never: whoever is named has one
    const ArtifactUsage usage = (*store)->Usage();
    sum.artifacts += usage.artifacts;
    sum.bytes += usage.bytes;
  }
  return sum;
}

}  // namespace

std::vector<prometheus::MetricFamily> StorageCollector::Collect() const {
  std::vector<prometheus::MetricFamily> families;
  const ArtifactUsage usage = UsageOfAll(*artifacts_);
  families.push_back(WithSample(GaugeFamily("kprune_artifacts", "Artifacts that are stored"),
                                static_cast<double>(usage.artifacts)));
  families.push_back(
      WithSample(GaugeFamily("kprune_artifact_bytes", "Bytes of the artifacts that are stored"),
                 static_cast<double>(usage.bytes)));
  families.push_back(
      WithSample(GaugeFamily("kprune_disk_low_bytes", "Free bytes below which uploads are refused"),
                 static_cast<double>(options_.disk_low_bytes)));
  std::error_code error;
  const std::filesystem::space_info disk = std::filesystem::space(options_.folder, error);
  if (error) {
    LogError("disk-not-read", {{"folder", options_.folder.string()}, {"error", error.message()}});
    return families;
  }
  families.push_back(
      WithSample(GaugeFamily("kprune_disk_free_bytes", "Free bytes of the disk of the artifacts"),
                 static_cast<double>(disk.available)));
  families.push_back(WithSample(GaugeFamily("kprune_disk_size_bytes", "Bytes of the disk of the artifacts"),
                                static_cast<double>(disk.capacity)));
  return families;
}

}  // namespace kprune
