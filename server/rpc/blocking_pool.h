// A few threads for work that blocks (files, the database), so that gRPC's own threads never do.
#ifndef KPRUNE_SERVER_RPC_BLOCKING_POOL_H_
#define KPRUNE_SERVER_RPC_BLOCKING_POOL_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

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

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;

  // Constant after construction.
  std::vector<std::thread> threads_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_BLOCKING_POOL_H_
