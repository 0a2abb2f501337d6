#include "server/jobs/change_notifier.h"

#include <utility>
#include <vector>

namespace kprune {

struct ChangeNotifier::Subscriber {
  explicit Subscriber(std::function<void()> callback) : on_change(std::move(callback)) {}

  std::mutex mutex;
  bool active = true;  // guarded by mutex, which is held while on_change runs
  const std::function<void()> on_change;
};

class ChangeNotifier::Subscription final : public JobSubscription {
 public:
  Subscription(ChangeNotifier& notifier, Subscribers::iterator place) : notifier_(notifier), place_(place) {}

  ~Subscription() override {
    std::shared_ptr<Subscriber> subscriber;
    {
      std::lock_guard lock(notifier_.mutex_);
      subscriber = std::move(place_->second);
      notifier_.subscribers_.erase(place_);
    }
    std::lock_guard lock(subscriber->mutex);
    subscriber->active = false;
  }

 private:
  ChangeNotifier& notifier_;
  const Subscribers::iterator place_;
};

std::unique_ptr<JobSubscription> ChangeNotifier::Subscribe(std::string_view job_id,
                                                           std::function<void()> on_change) {
  auto subscriber = std::make_shared<Subscriber>(std::move(on_change));
  std::lock_guard lock(mutex_);
  return std::make_unique<Subscription>(*this, subscribers_.emplace(job_id, std::move(subscriber)));
}

void ChangeNotifier::Notify(std::string_view job_id) {
  std::vector<std::shared_ptr<Subscriber>> called;
  {
    std::lock_guard lock(mutex_);
    for (const std::string_view key : {job_id, std::string_view()}) {
      const auto [first, last] = subscribers_.equal_range(key);
      for (auto it = first; it != last; ++it) called.push_back(it->second);
    }
  }
  for (const auto& subscriber : called) {
    std::lock_guard lock(subscriber->mutex);
    if (subscriber->active) subscriber->on_change();
  }
}

}  // namespace kprune
