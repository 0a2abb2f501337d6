// The time of day, and a time that only passes, as something that tests can hold in their hands.
#ifndef KPRUNE_CLOCK_H_
#define KPRUNE_CLOCK_H_

#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

namespace kprune {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // The time of day, for what is recorded. It jumps where somebody sets the machine's clock.
  virtual absl::Time Now() const = 0;

  // Never jumps, for deadlines and intervals: only the difference of two of its times means anything, and
  // only within one process.
  virtual absl::Time Steady() const = 0;

  // Waits, with `lock` held on entry and on return, until `changed` is notified or Steady() reaches
  // `deadline` (absl::InfiniteFuture(): no deadline). May return early, so callers check their condition in a
  // loop.
  virtual void WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                         absl::Time deadline) = 0;
};

}  // namespace kprune

#endif  // KPRUNE_CLOCK_H_
