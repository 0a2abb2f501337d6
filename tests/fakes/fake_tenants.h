// Tenants whose limits a test sets, at any time.
#ifndef KPRUNE_TESTS_FAKES_FAKE_TENANTS_H_
#define KPRUNE_TESTS_FAKES_FAKE_TENANTS_H_

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "kprune/caller.h"

namespace kprune {

// Thread-safe.
class FakeTenants final : public TenantDirectory {
 public:
  void Set(const std::string& tenant, const TenantLimits& limits) {
    std::lock_guard lock(mutex_);
    limits_[tenant] = limits;
  }

  TenantLimits LimitsOf(std::string_view tenant) const override {
    std::lock_guard lock(mutex_);
    const auto place = limits_.find(tenant);
    return place == limits_.end() ? TenantLimits() : place->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, TenantLimits, std::less<>> limits_;  // guarded by mutex_
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_FAKES_FAKE_TENANTS_H_
