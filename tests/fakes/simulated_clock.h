// A clock that stands still until a test moves it, or sets its time of day.
#ifndef KPRUNE_TESTS_FAKES_SIMULATED_CLOCK_H_
#define KPRUNE_TESTS_FAKES_SIMULATED_CLOCK_H_

#include <chrono>

#include "kprune/clock.h"

namespace kprune {

// Thread-safe.
class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(absl::Time now = absl::FromUnixSeconds(1'800'000'000)) : now_(now) {}

  absl::Time Now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }

  absl::Time Steady() const override {
    std::lock_guard lock(mutex_);
    return steady_;
  }

  // Time passes.
  void Advance(absl::Duration by) {
    std::lock_guard lock(mutex_);
    now_ += by;
    steady_ += by;
  }

  // Somebody sets the clock: no time passes.
  void Jump(absl::Duration by) {
    std::lock_guard lock(mutex_);
    now_ += by;
  }

  // Returns every millisecond, which the contract allows: so no waiter needs to be known to be woken.
  void WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, absl::Time) override {
    changed.wait_for(lock, std::chrono::milliseconds(1));
  }

 private:
  mutable std::mutex mutex_;
  absl::Time now_;
  absl::Time steady_ = absl::UnixEpoch();
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_FAKES_SIMULATED_CLOCK_H_
