// Ends streams whose client neither sends nor takes anything: each holds memory, a descriptor, and, of an
// upload, the right to its digest.
#ifndef KPRUNE_SERVER_RPC_STALL_WATCH_H_
#define KPRUNE_SERVER_RPC_STALL_WATCH_H_

#include <grpcpp/server_context.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "absl/time/time.h"

namespace kprune {

// Thread-safe. Must outlive its streams.
class StallWatch {
 public:
  // A stream that waits for its client longer than `limit` is cancelled. Zero: never.
  explicit StallWatch(absl::Duration limit);
  ~StallWatch();

  // One stream, from its reactor's construction until OnDone.
  class Stream {
   public:
    Stream(StallWatch& watch, grpc::ServerContextBase* context);
    ~Stream() { Leave(); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // From now on it is the client's turn, or ours.
    void WaitForClient();
    void ClientMoved();

    // The context is about to go. Call it in OnDone at the latest.
    void Leave();

   private:
    friend class StallWatch;
    StallWatch& watch_;
    grpc::ServerContextBase* const context_;
    std::optional<std::chrono::steady_clock::time_point> waiting_since_;  // guarded by watch_.mutex_
  };

 private:
  void Run();
  void CancelStalled();

  const std::chrono::nanoseconds limit_;

  // Recursive: cancelling a call may run its OnDone, which leaves, on the same thread.
  std::recursive_mutex mutex_;
  std::condition_variable_any changed_;
  // Guarded by mutex_.
  std::set<Stream*> streams_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_STALL_WATCH_H_
