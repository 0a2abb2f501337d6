// The tenants of a server whose operator configured none: one, without limits.
#ifndef KPRUNE_SERVER_SINGLE_TENANT_H_
#define KPRUNE_SERVER_SINGLE_TENANT_H_

#include <string_view>

#include "kprune/caller.h"

namespace kprune {

// Thread-safe.
class SingleTenant final : public TenantDirectory {
 public:
  TenantLimits LimitsOf(std::string_view /*tenant*/) const override { return {}; }
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SINGLE_TENANT_H_
