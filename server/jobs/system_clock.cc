#include "server/jobs/system_clock.h"

#include "absl/time/clock.h"

namespace kprune {

absl::Time SystemClock::Now() const { return absl::Now(); }

void SystemClock::WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                            absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) {
    changed.wait(lock);
  } else {
    changed.wait_until(lock, absl::ToChronoTime(deadline));
  }
}

}  // namespace kprune
