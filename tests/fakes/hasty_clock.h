// A clock on which whatever is waited for is there at once; it remembers how long the waits were.
#ifndef KPRUNE_TESTS_FAKES_HASTY_CLOCK_H_
#define KPRUNE_TESTS_FAKES_HASTY_CLOCK_H_

#include <algorithm>

#include "kprune/clock.h"

namespace kprune {

// Thread-safe.
class HastyClock final : public Clock {
 public:
  absl::Time Now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }

  absl::Time Steady() const override { return Now(); }

  void WaitUntil(std::unique_lock<std::mutex>&, std::condition_variable&, absl::Time deadline) override {
    std::lock_guard lock(mutex_);
    waited_ += std::max(absl::ZeroDuration(), deadline - now_);
    now_ = std::max(now_, deadline);
  }

  absl::Duration waited() const {
    std::lock_guard lock(mutex_);
    return waited_;
  }

 private:
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  absl::Duration waited_ = absl::ZeroDuration();
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_FAKES_HASTY_CLOCK_H_
