// Ctrl-C and SIGTERM as ordinary calls: a thread of its own waits for the signals and runs the registered
// handlers, so that a handler may do anything (cancel an RPC, signal a worker).
#ifndef KPRUNE_CLIENT_INTERRUPT_H_
#define KPRUNE_CLIENT_INTERRUPT_H_

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace kprune::client {

// Thread-safe. Construct it before any other thread starts: it blocks SIGINT and SIGTERM in the calling
// thread, which later threads inherit. (Child processes must reset their signal mask.) At most one per
// process.
class Interrupt {
 public:
  // Receives how many signals have come so far: 1 at the first, 2 when the user insists.
  using Handler = std::function<void(int count)>;

  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Runs `handler` on each signal while the object lives, and at once if a signal has come already. Handlers
  // run under a lock: they must be short and must not create or destroy a Scope.
  class Scope {
   public:
    Scope(Interrupt& interrupt, Handler handler);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Interrupt& interrupt_;
    int id_;
  };

  // OK until the first signal, then CANCELLED "interrupted".
  absl::Status status() const;

  // Waits, at most until a signal comes. Returns status().
  absl::Status SleepFor(absl::Duration duration);

  // Does what a signal does.
  void Raise();

 private:
  void WaitForSignals();

  // Constant after construction.
  int signal_fd_;
  int stop_fd_;
  std::thread thread_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  int count_ = 0;
  int next_id_ = 0;
  std::map<int, Handler> handlers_;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_INTERRUPT_H_
