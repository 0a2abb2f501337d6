// The machine's clock.
#ifndef KPRUNE_SERVER_JOBS_SYSTEM_CLOCK_H_
#define KPRUNE_SERVER_JOBS_SYSTEM_CLOCK_H_

#include "kprune/clock.h"

namespace kprune {

class SystemClock final : public Clock {
 public:
  absl::Time Now() const override;
  absl::Time Steady() const override;
  void WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                 absl::Time deadline) override;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_SYSTEM_CLOCK_H_
