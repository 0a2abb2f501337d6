#include "server/jobs/system_clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace kprune {

absl::Time SystemClock::Now() const { return absl::Now(); }

absl::Time SystemClock::Steady() const {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

void SystemClock::WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                            absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) {
    changed.wait(lock);
  } else {
    const auto since_start = absl::ToChronoNanoseconds(deadline - absl::UnixEpoch());
    changed.wait_until(lock, std::chrono::steady_clock::time_point(since_start));
  }
}

}  // namespace kprune
