#include "server/rpc/watch_hub.h"

#include <deque>
#include <utility>

#include "server/rpc/job_convert.h"
#include "server/rpc/status_mapping.h"

namespace kprune {
namespace {

// Events that a watcher holds in memory at a time.
constexpr int kBatch = 100;

absl::Status ShuttingDown() {
  return absl::UnavailableError("This server is shutting down; watch again with the last sequence received.");
}

}  // namespace

// Reads happen on the hub's thread, one at a time; a write is in flight only between StartWrite and
// OnWriteDone. Whatever ends the watch while a write is in flight waits for OnWriteDone.
class WatchHub::Watch final : public grpc::ServerWriteReactor<v1::Event>,
                              public std::enable_shared_from_this<WatchHub::Watch> {
 public:
  Watch(WatchHub& hub, grpc::ServerContextBase* context, std::string job_id, int64_t after_sequence,
        std::function<absl::Status()> may_watch)
      : hub_(hub),
        job_id_(std::move(job_id)),
        stream_(hub.stalls_, context),
        may_watch_(std::move(may_watch)),
        after_sequence_(after_sequence) {}

  void Start() {
    self_ = shared_from_this();
    if (!hub_.Add(self_)) return End(ShuttingDown());
    // Subscribed before the first read, so that no change is missed.
    subscription_ = hub_.store_.Subscribe(job_id_, [this] { ScheduleRead(); });
    ScheduleRead();
  }

  // Ends the watch as soon as no write is in flight. The first end counts.
  void End(const absl::Status& status) {
    {
      std::lock_guard lock(mutex_);
      if (end_) return;
      end_ = status;
      if (writing_) return;
    }
    Finish(ToGrpcStatus(status));
  }

  void OnWriteDone(bool ok) override {
    stream_.WaitForClient();  // without mutex_: cancelling takes the locks the other way round
    if (!ok) End(absl::CancelledError("The client is gone."));
    std::optional<absl::Status> end;
    {
      std::lock_guard lock(mutex_);
      pending_.pop_front();
      if (!end_ && !pending_.empty()) return StartWrite(&pending_.front());
      writing_ = false;
      end = end_;
    }
    stream_.ClientMoved();
    if (end) return Finish(ToGrpcStatus(*end));
    ScheduleRead();
  }

  void OnCancel() override { End(absl::CancelledError("The client cancelled the watch.")); }

  void OnDone() override {
    stream_.Leave();
    subscription_.reset();
    hub_.Remove(self_);
    // A read that is on the list keeps the object until it has run.
    const std::shared_ptr<Watch> last = std::move(self_);
  }

 private:
  void ScheduleRead() {
    {
      std::lock_guard lock(mutex_);
      if (scheduled_ || end_) return;
      scheduled_ = true;
    }
    hub_.pool_.Schedule([watch = shared_from_this()] { watch->Read(); });
  }

  void Read() {
    {
      std::lock_guard lock(mutex_);
      scheduled_ = false;
      if (end_ || writing_) return;
    }
    if (const auto may_watch = std::exchange(may_watch_, nullptr)) {
      if (const absl::Status status = may_watch(); !status.ok()) return End(status);
    }
    absl::StatusOr<EventBatch> batch = hub_.store_.ReadEvents(job_id_, after_sequence_, kBatch);
    if (!batch.ok()) return End(batch.status());
    if (batch->events.empty()) {
      if (batch->end) End(absl::OkStatus());
      return;
    }
    after_sequence_ = batch->events.back().sequence;
    {
      std::lock_guard lock(mutex_);
      if (end_) return;
      for (const JobEvent& event : batch->events) pending_.push_back(ToProto(event));
      writing_ = true;
    }
    stream_.WaitForClient();
    StartWrite(&pending_.front());
  }

  WatchHub& hub_;
  const std::string job_id_;
  std::shared_ptr<Watch> self_;  // held until OnDone
  std::unique_ptr<JobSubscription> subscription_;
  StallWatch::Stream stream_;
  // Of the hub's thread.
  std::function<absl::Status()> may_watch_;  // null once it has been asked
  int64_t after_sequence_;

  std::mutex mutex_;
  // Guarded by mutex_; the front of pending_ is gRPC's while a write is in flight.
  std::deque<v1::Event> pending_;
  bool writing_ = false;
  bool scheduled_ = false;
  std::optional<absl::Status> end_;
};

grpc::ServerWriteReactor<v1::Event>* WatchHub::StartWatch(grpc::ServerContextBase* context,
                                                          const std::string& job_id, int64_t after_sequence,
                                                          std::function<absl::Status()> may_watch) {
  auto watch = std::make_shared<Watch>(*this, context, job_id, after_sequence, std::move(may_watch));
  watch->Start();
  return watch.get();
}

bool WatchHub::Add(const std::shared_ptr<Watch>& watch) {
  std::lock_guard lock(mutex_);
  if (!ended_) watches_.insert(watch);
  return !ended_;
}

void WatchHub::Remove(const std::shared_ptr<Watch>& watch) {
  std::lock_guard lock(mutex_);
  watches_.erase(watch);
}

void WatchHub::EndAll() {
  std::set<std::shared_ptr<Watch>> ended;
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    ended = watches_;
  }
  for (const auto& watch : ended) watch->End(ShuttingDown());
}

}  // namespace kprune
