// SIGTERM and SIGINT as something to wait for.
#ifndef KPRUNE_SERVER_SHUTDOWN_SIGNALS_H_
#define KPRUNE_SERVER_SHUTDOWN_SIGNALS_H_

#include "absl/synchronization/notification.h"

namespace kprune {

// Make one, before the first thread of the process starts: threads inherit that both signals are blocked. A
// second signal ends the process at once with status 1.
class ShutdownSignals {
 public:
  ShutdownSignals();

  // Returns when the first signal came.
  void Wait() const;

 private:
  // Shared with the thread that waits for signals, which outlives this.
  static absl::Notification& first();
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SHUTDOWN_SIGNALS_H_
