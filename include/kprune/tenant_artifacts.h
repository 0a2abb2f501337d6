// The artifacts of every tenant: a store for each, so that nobody finds out what another tenant has, and what
// one uses can be counted. The same bytes of two tenants are stored twice.
#ifndef KPRUNE_TENANT_ARTIFACTS_H_
#define KPRUNE_TENANT_ARTIFACTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kprune/artifact_store.h"

namespace kprune {

// Thread-safe.
class TenantArtifacts {
 public:
  virtual ~TenantArtifacts() = default;

  // The tenant's store, made where there is none yet; it lives as long as this. INVALID_ARGUMENT: no tenant's
  // name.
  virtual absl::StatusOr<ArtifactStore*> Of(std::string_view tenant) = 0;

  // Every tenant that has a store.
  virtual std::vector<std::string> Tenants() = 0;
};

}  // namespace kprune

#endif  // KPRUNE_TENANT_ARTIFACTS_H_
