// A few threads for work that blocks (files, the database), so that gRPC's own threads never do.
#ifndef KPRUNE_SERVER_RPC_BLOCKING_POOL_H_
#define KPRUNE_SERVER_RPC_BLOCKING_POOL_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace kprune {

// Thread-safe. The destructor runs everything that was scheduled, then joins.
class BlockingPool {
 public:
  explicit BlockingPool(int threads);
  ~BlockingPool();

  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // Runs `task` on one of the threads, first come first served.
  void Schedule(std::function<void()> task);

 private:
  void Run();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !tasks_.empty(); }

  // Not std::condition_variable: where several threads wait, glibc's can lose the waking of one
  // (sourceware.org, bug 25847; Debian 12 has it), and a call would then wait for the next one.
  absl::Mutex mutex_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  // Constant after construction.
  std::vector<std::thread> threads_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_BLOCKING_POOL_H_
