// How often each tenant may call: a bucket for each that holds one second's calls and is filled as time
// passes.
#ifndef KPRUNE_SERVER_AUTH_CALL_LIMITER_H_
#define KPRUNE_SERVER_AUTH_CALL_LIMITER_H_

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "kprune/clock.h"

namespace kprune {

// Thread-safe. Borrows `clock`.
class CallLimiter {
 public:
  explicit CallLimiter(Clock& clock) : clock_(clock) {}

  // Whether the tenant may make a call now, which then counts. 0: always.
  bool Take(std::string_view tenant, double calls_per_second);

 private:
  struct Bucket {
    double calls = 0;
    absl::Time filled;  // by clock_.Steady()
  };

  Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Bucket, std::less<>> buckets_;  // by tenant; guarded by mutex_
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_AUTH_CALL_LIMITER_H_
