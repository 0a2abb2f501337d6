// Waiting for a job without sleeping: woken by the store's own notifications.
#ifndef KPRUNE_TESTS_SUPPORT_AWAIT_JOB_H_
#define KPRUNE_TESTS_SUPPORT_AWAIT_JOB_H_

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

#include "kprune/job_store.h"

namespace kprune {

// Returns the job once `condition` holds for it. A condition that does not hold after two minutes fails the
// test; it must follow from changes that the store notifies of.
inline JobRecord AwaitJob(JobStore& store, const std::string& job_id,
                          const std::function<bool(const JobRecord&)>& condition) {
  std::mutex mutex;
  std::condition_variable changed;
  bool news = true;
  auto subscription = store.Subscribe(job_id, [&] {
    std::lock_guard lock(mutex);
    news = true;
    changed.notify_all();
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  for (;;) {
    auto job = store.Get(job_id);
    if (!job.ok() || condition(*job)) return job.ok() ? *job : JobRecord();
    std::unique_lock lock(mutex);
    if (!news && !changed.wait_until(lock, deadline, [&] { return news; })) {
      ADD_FAILURE() << "jobs/" << job_id << " is still " << JobStateName(job->state);
      return *job;
    }
    news = false;
  }
}

inline JobRecord AwaitState(JobStore& store, const std::string& job_id, JobState state) {
  return AwaitJob(store, job_id, [state](const JobRecord& job) { return job.state == state; });
}

inline JobRecord AwaitFinished(JobStore& store, const std::string& job_id) {
  return AwaitJob(store, job_id, [](const JobRecord& job) { return IsFinished(job.state); });
}

}  // namespace kprune

#endif  // KPRUNE_TESTS_SUPPORT_AWAIT_JOB_H_
