#include "server/artifacts/local_tenant_artifacts.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/artifacts/posix_file.h"

namespace kprune {
namespace fs = std::filesystem;
namespace {

constexpr char kTenantsFolder[] = "tenants";
constexpr char kArtifactsFolder[] = "artifacts";

// Names of folders that are a tenant's.
absl::StatusOr<std::vector<std::string>> TenantsIn(const fs::path& folder) {
  std::vector<std::string> tenants;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (IsTenantName(name) && entry->is_directory(error)) tenants.push_back(name);
  }
  if (!error || error == std::errc::no_such_file_or_directory) return tenants;
  errno = error.value();
  return ErrnoStatus("list", folder);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalTenantArtifacts>> LocalTenantArtifacts::Open(
    LocalTenantArtifactsOptions options) {
  absl::StatusOr<std::vector<std::string>> tenants = TenantsIn(options.data_dir / kTenantsFolder);
  if (!tenants.ok()) return tenants.status();
  tenants->push_back(kDefaultTenant);
  std::unique_ptr<LocalTenantArtifacts> artifacts(new LocalTenantArtifacts(std::move(options)));
  for (const std::string& tenant : *tenants) {
    const absl::StatusOr<ArtifactStore*> store = artifacts->Of(tenant);
    if (!store.ok()) return store.status();
  }
  return artifacts;
}

absl::StatusOr<ArtifactStore*> LocalTenantArtifacts::Of(std::string_view tenant) {
  if (!IsTenantName(tenant)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", absl::CHexEscape(std::string(tenant.substr(0, 64))),
                     "\" is no tenant's name; accepted are at most 63 of a to z, 0 to 9 and -."));
  }
  std::lock_guard lock(mutex_);
  if (const auto place = stores_.find(tenant); place != stores_.end()) return place->second.get();
  absl::StatusOr<std::unique_ptr<LocalArtifactStore>> store = OpenStore(std::string(tenant));
  if (!store.ok()) return store.status();
  return stores_.emplace(tenant, *std::move(store)).first->second.get();
}

absl::StatusOr<std::unique_ptr<LocalArtifactStore>> LocalTenantArtifacts::OpenStore(
    const std::string& tenant) const {
  const fs::path tenants = options_.data_dir / kTenantsFolder;
  const bool is_default = tenant == kDefaultTenant;
  LocalArtifactStoreOptions options = options_.store;
  options.folder = (is_default ? options_.data_dir : tenants / tenant) / kArtifactsFolder;
  options.tenant = tenant;
  if (options_.tenants != nullptr) {
    options.max_stored_bytes = [directory = options_.tenants, tenant] {
      return directory->LimitsOf(tenant).max_stored_bytes;
    };
  }
  auto store = LocalArtifactStore::Open(options);
  if (!store.ok() || is_default) return store;
  Disk& disk = options.disk != nullptr ? *options.disk : Disk::Kernel();
  absl::Status synced = SyncFolder(disk, tenants);
  if (synced.ok()) synced = SyncFolder(disk, options_.data_dir);
  if (!synced.ok()) return synced;
  return store;
}

std::vector<std::string> LocalTenantArtifacts::Tenants() {
  std::lock_guard lock(mutex_);
  std::vector<std::string> tenants;
  for (const auto& [tenant, store] : stores_) tenants.push_back(tenant);
  return tenants;
}

}  // namespace kprune
