// Feeds the watchers of jobs. A watcher is a reactor and a subscription, no thread: a change of its job puts
// it on the list of the one thread that reads events for all of them, and what it read is then written as
// fast as the client takes it.
#ifndef KPRUNE_SERVER_RPC_WATCH_HUB_H_
#define KPRUNE_SERVER_RPC_WATCH_HUB_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "kprune/job_store.h"
#include "kprune/v1/job_service.grpc.pb.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/stall_watch.h"

namespace kprune {

// Thread-safe. Destroy the gRPC server first, then this, then the store.
class WatchHub {
 public:
  // A watch whose client does not take an event for `stall_limit` is cancelled; zero: never.
  WatchHub(JobStore& store, absl::Duration stall_limit) : store_(store), stalls_(stall_limit), pool_(1) {}

  // Returns the reactor of a new watch; gRPC owns it through its callbacks. `may_watch` is asked before the
  // first read, where the database may be asked; its error ends the watch.
  grpc::ServerWriteReactor<v1::Event>* StartWatch(grpc::ServerContextBase* context, const std::string& job_id,
                                                  int64_t after_sequence,
                                                  std::function<absl::Status()> may_watch);

  // Ends every watch, and each that comes later, with UNAVAILABLE.
  void EndAll();

 private:
  class Watch;

  // False once EndAll was called.
  bool Add(const std::shared_ptr<Watch>& watch);
  void Remove(const std::shared_ptr<Watch>& watch);

  JobStore& store_;
  StallWatch stalls_;

  std::mutex mutex_;
  // Guarded by mutex_.
  bool ended_ = false;
  std::set<std::shared_ptr<Watch>> watches_;

  BlockingPool pool_;  // last: its tasks use what is above
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_WATCH_HUB_H_
