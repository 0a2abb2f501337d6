// Ends streams whose client neither sends nor takes anything: each holds memory, a descriptor, and, of an
// upload, the right to its digest.
#ifndef KPRUNE_SERVER_RPC_STALL_WATCH_H_
#define KPRUNE_SERVER_RPC_STALL_WATCH_H_

#include <grpcpp/server_context.h>

#include <mutex>
#include <optional>
#include <set>

#include "absl/time/time.h"
#include "server/jobs/periodic_thread.h"
#include "server/jobs/system_clock.h"

namespace kprune {

// Thread-safe. Must outlive its streams.
class StallWatch {
 public:
  // A stream that waits for its client longer than `limit` is cancelled. Zero: never.
  explicit StallWatch(absl::Duration limit);

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
    std::optional<absl::Time> waiting_since_;  // by clock_.Steady(); guarded by watch_.mutex_
  };

 private:
  void CancelStalled();

  SystemClock clock_;
  const absl::Duration limit_;

  // Recursive: cancelling a call may run its OnDone, which leaves, on the same thread.
  std::recursive_mutex mutex_;
  std::set<Stream*> streams_;  // guarded by mutex_

  std::optional<PeriodicThread> thread_;  // last: it uses what is above
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_STALL_WATCH_H_
