// Tenants' artifacts in folders of this machine: data_dir/artifacts/ of kDefaultTenant, and
// data_dir/tenants/NAME/artifacts/ of any other.
#ifndef KPRUNE_SERVER_ARTIFACTS_LOCAL_TENANT_ARTIFACTS_H_
#define KPRUNE_SERVER_ARTIFACTS_LOCAL_TENANT_ARTIFACTS_H_

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/caller.h"
#include "kprune/tenant_artifacts.h"
#include "server/artifacts/local_artifact_store.h"

namespace kprune {

struct LocalTenantArtifactsOptions {
  std::filesystem::path data_dir;
  // For every store; its folder, tenant and quota are filled in.
  LocalArtifactStoreOptions store;
  // Who may store how much. Borrowed.
  const TenantDirectory* tenants = nullptr;
};

// Thread-safe.
class LocalTenantArtifacts final : public TenantArtifacts {
 public:
  // Opens the default tenant's store, and that of everyone who has a folder.
  static absl::StatusOr<std::unique_ptr<LocalTenantArtifacts>> Open(LocalTenantArtifactsOptions options);

  absl::StatusOr<ArtifactStore*> Of(std::string_view tenant) override;
  std::vector<std::string> Tenants() override;

 private:
  explicit LocalTenantArtifacts(LocalTenantArtifactsOptions options) : options_(std::move(options)) {}

  absl::StatusOr<std::unique_ptr<LocalArtifactStore>> OpenStore(const std::string& tenant) const;

  const LocalTenantArtifactsOptions options_;

  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<LocalArtifactStore>, std::less<>> stores_;  // guarded by mutex_
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_LOCAL_TENANT_ARTIFACTS_H_
