// Tenants' artifacts in memory, for tests.
#ifndef KPRUNE_SERVER_ARTIFACTS_IN_MEMORY_TENANT_ARTIFACTS_H_
#define KPRUNE_SERVER_ARTIFACTS_IN_MEMORY_TENANT_ARTIFACTS_H_

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kprune/tenant_artifacts.h"
#include "server/artifacts/in_memory_artifact_store.h"

namespace kprune {

// Thread-safe.
class InMemoryTenantArtifacts final : public TenantArtifacts {
 public:
  absl::StatusOr<ArtifactStore*> Of(std::string_view tenant) override { return &Store(tenant); }

  std::vector<std::string> Tenants() override {
    std::lock_guard lock(mutex_);
    std::vector<std::string> tenants;
    for (const auto& [tenant, store] : stores_) tenants.push_back(tenant);
    return tenants;
  }

  // The same as Of.
  InMemoryArtifactStore& Store(std::string_view tenant) {
    std::lock_guard lock(mutex_);
    return stores_[std::string(tenant)];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, InMemoryArtifactStore> stores_;  // guarded by mutex_
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_IN_MEMORY_TENANT_ARTIFACTS_H_
