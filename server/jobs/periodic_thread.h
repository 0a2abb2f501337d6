// A thread that does one thing now and then.
#ifndef KPRUNE_SERVER_JOBS_PERIODIC_THREAD_H_
#define KPRUNE_SERVER_JOBS_PERIODIC_THREAD_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"
#include "kprune/clock.h"

namespace kprune {

class PeriodicThread {
 public:
  // Runs `work` at once, and again each time that `interval` has passed since it returned. Borrows `clock`.
  PeriodicThread(Clock& clock, absl::Duration interval, std::function<void()> work);
  // Waits for `work` where it runs; afterwards it does not run again.
  ~PeriodicThread();

 private:
  void Run();

  // Constant after construction.
  Clock& clock_;
  const absl::Duration interval_;
  const std::function<void()> work_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // last: it uses what is above
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_PERIODIC_THREAD_H_
