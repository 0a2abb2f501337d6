// The time of day, as something that tests can hold in their hands.
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

  virtual absl::Time Now() const = 0;

  // Waits, with `lock` held on entry and on return, until `changed` is notified or this clock reaches
  // `deadline` (absl::InfiniteFuture(): no deadline). May return early, so callers check their condition in a
  // loop.
  virtual void WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                         absl::Time deadline) = 0;
};

}  // namespace kprune

#endif  // KPRUNE_CLOCK_H_
