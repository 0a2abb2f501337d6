#include "server/rpc/stall_watch.h"

#include <vector>

#include "server/log.h"

namespace kprune {
namespace {

// Looks an interval; a stream lives longer than the limit by at most one of these parts.
constexpr int kLooks = 4;

}  // namespace

StallWatch::StallWatch(absl::Duration limit) : limit_(limit) {
  if (limit > absl::ZeroDuration()) thread_.emplace(clock_, limit / kLooks, [this] { CancelStalled(); });
}

void StallWatch::CancelStalled() {
  std::lock_guard lock(mutex_);
  const absl::Time latest = clock_.Steady() - limit_;
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
  waiting_since_ = watch_.clock_.Steady();
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
