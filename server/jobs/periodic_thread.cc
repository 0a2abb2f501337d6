#include "server/jobs/periodic_thread.h"

#include <utility>

namespace kprune {

PeriodicThread::PeriodicThread(Clock& clock, absl::Duration interval, std::function<void()> work)
    : clock_(clock), interval_(interval), work_(std::move(work)), thread_([this] { Run(); }) {}

PeriodicThread::~PeriodicThread() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void PeriodicThread::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    work_();
    lock.lock();
    const absl::Time next = clock_.Steady() + interval_;
    while (!stopping_ && clock_.Steady() < next) clock_.WaitUntil(lock, changed_, next);
  }
}

}  // namespace kprune
