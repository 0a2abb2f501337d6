#include "server/auth/call_limiter.h"

#include <algorithm>

namespace kprune {

bool CallLimiter::Take(std::string_view tenant, double calls_per_second) {
  if (calls_per_second <= 0) return true;
  const double most = std::max(1.0, calls_per_second);  // slower than one a second still gets its one
  const absl::Time now = clock_.Steady();
  std::lock_guard lock(mutex_);
  const auto [at, is_new] = buckets_.try_emplace(std::string(tenant), Bucket{most, now});
  Bucket& bucket = at->second;
  bucket.calls = std::min(most, bucket.calls + absl::ToDoubleSeconds(now - bucket.filled) * calls_per_second);
  bucket.filled = now;
  if (bucket.calls < 1) return false;
  bucket.calls -= 1;
  return true;
}

}  // namespace kprune
