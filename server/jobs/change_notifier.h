// Who wants to hear of which job. The stores keep one and tell it what they have committed.
#ifndef KPRUNE_SERVER_JOBS_CHANGE_NOTIFIER_H_
#define KPRUNE_SERVER_JOBS_CHANGE_NOTIFIER_H_

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "kprune/job_store.h"

namespace kprune {

// Thread-safe. Must outlive the subscriptions it hands out.
class ChangeNotifier {
 public:
  // As JobStore::Subscribe.
  std::unique_ptr<JobSubscription> Subscribe(std::string_view job_id, std::function<void()> on_change);

  // Runs the callbacks of the job's subscribers and of those who hear of all jobs. Call without a lock held.
  void Notify(std::string_view job_id);

 private:
  struct Subscriber;
  class Subscription;
  using Subscribers = std::multimap<std::string, std::shared_ptr<Subscriber>, std::less<>>;

  std::mutex mutex_;
  Subscribers subscribers_;  // guarded by mutex_; "" hears of all jobs
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_CHANGE_NOTIFIER_H_
