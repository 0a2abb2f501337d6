#include "server/shutdown_signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "server/log.h"

namespace kprune {

absl::Notification& ShutdownSignals::first() {
  static absl::Notification* const notification = new absl::Notification;
  return *notification;
}

ShutdownSignals::ShutdownSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals, &first = first()] {
    int signal = 0;
    ::sigwait(&signals, &signal);
    LogInfo("shutdown-begins", {{"signal", std::to_string(signal)}});
    first.Notify();
    ::sigwait(&signals, &signal);
    LogWarning("shutdown-cut-short", {{"signal", std::to_string(signal)}});
    ::_exit(1);
  }).detach();
}

void ShutdownSignals::Wait() const { first().WaitForNotification(); }

}  // namespace kprune
