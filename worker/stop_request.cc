#include "worker/stop_request.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "kprune/worker_protocol.h"

namespace kprune {
namespace {

std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

void OnSignal(int) { stop_requested = true; }

void WatchReader(int descriptor) {
  pollfd watched = {descriptor, 0, 0};
  while (poll(&watched, 1, -1) <= 0 || (watched.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0) {
  }
  stop_requested = true;
  std::this_thread::sleep_for(std::chrono::seconds(5));
  _exit(kWorkerCancelled);
}

}  // namespace

const std::atomic<bool>& StopRequested() { return stop_requested; }

void WatchForStop(int progress_descriptor) {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  if (progress_descriptor >= 0) std::thread(WatchReader, progress_descriptor).detach();
}

}  // namespace kprune
