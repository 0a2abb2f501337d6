// The tenants of a server whose operator configured none: one, without limits.
#ifndef KPRUNE_SERVER_SINGLE_TENANT_H_
#define KPRUNE_SERVER_SINGLE_TENANT_H_

#include <string>
#include <string_view>
#include <vector>

#include "kprune/caller.h"

namespace kprune {

// Thread-safe.
class SingleTenant final : public TenantDirectory {
 public:
  std::vector<std::string> Tenants() const override { return {kDefaultTenant}; }
  TenantLimits LimitsOf(std::string_view /*tenant*/) const override { return {}; }
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SINGLE_TENANT_H_
