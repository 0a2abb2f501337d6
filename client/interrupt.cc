#include "client/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <utility>

#include "absl/time/clock.h"

namespace kprune::client {

Interrupt::Interrupt() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
  stop_fd_ = eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] { WaitForSignals(); });
}

Interrupt::~Interrupt() {
  eventfd_write(stop_fd_, 1);
  thread_.join();
  close(signal_fd_);
  close(stop_fd_);
}

void Interrupt::WaitForSignals() {
  for (;;) {
    pollfd fds[2] = {{signal_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signal_fd_, &info, sizeof(info)) == sizeof(info)) Raise();
  }
}

void Interrupt::Raise() {
  std::lock_guard<std::mutex> lock(mutex_);
  ++count_;
  for (const auto& [id, handler] : handlers_) handler(count_);
  changed_.notify_all();
}

absl::Status Interrupt::status() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return count_ == 0 ? absl::OkStatus() : absl::CancelledError("interrupted");
}

absl::Status Interrupt::SleepFor(absl::Duration duration) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, absl::ToChronoNanoseconds(duration), [this] { return count_ > 0; });
  }
  return status();
}

Interrupt::Scope::Scope(Interrupt& interrupt, Handler handler) : interrupt_(interrupt) {
  std::lock_guard<std::mutex> lock(interrupt_.mutex_);
  if (interrupt_.count_ > 0) handler(interrupt_.count_);
  id_ = interrupt_.next_id_++;
  interrupt_.handlers_.emplace(id_, std::move(handler));
}

Interrupt::Scope::~Scope() {
  std::lock_guard<std::mutex> lock(interrupt_.mutex_);
  interrupt_.handlers_.erase(id_);
}

}  // namespace kprune::client
