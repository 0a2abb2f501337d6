#include "server/rpc/stall_watch.h"

#include <vector>

#include "server/log.h"

namespace kprune {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Looks an interval; a stream lives longer than the limit by at most one of these parts.
constexpr int kLooks = 4;

}  // namespace

StallWatch::StallWatch(absl::Duration limit) : limit_(absl::ToChronoNanoseconds(limit)) {
  if (limit_.count() > 0) thread_ = std::thread([this] { Run(); });
}

StallWatch::~StallWatch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void StallWatch::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, limit_ / kLooks);
    CancelStalled();
  }
}

void StallWatch::CancelStalled() {
  const SteadyClock::time_point latest = SteadyClock::now() - limit_;
  std::vector<Stream*> stalled;
  for (Stream* stream : streams_) {
    if (stream->waiting_since_ && *stream->waiting_since_ < latest) stalled.push_back(stream);
  }
  for (Stream* stream : stalled) {
    if (!streams_.contains(stream)) continue;  // it ended with an earlier one
    stream->waiting_since_.reset();
    LogWarning("stream-stalled", {{"peer", stream->context_->peer()}});
    stream->context_->TryCancel();
  }
}

StallWatch::Stream::Stream(StallWatch& watch, grpc::ServerContextBase* context)
    : watch_(watch), context_(context) {
  std::lock_guard lock(watch_.mutex_);
  watch_.streams_.insert(this);
}

void StallWatch::Stream::WaitForClient() {
  std::lock_guard lock(watch_.mutex_);
  waiting_since_ = SteadyClock::now();
}

void StallWatch::Stream::ClientMoved() {
  std::lock_guard lock(watch_.mutex_);
  waiting_since_.reset();
}

void StallWatch::Stream::Leave() {
  std::lock_guard lock(watch_.mutex_);
  watch_.streams_.erase(this);
}

}  // namespace kprune
