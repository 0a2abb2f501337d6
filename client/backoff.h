// How long to wait before the next try.
#ifndef KPRUNE_CLIENT_BACKOFF_H_
#define KPRUNE_CLIENT_BACKOFF_H_

#include <algorithm>
#include <random>

#include "absl/time/time.h"

namespace kprune::client {

struct BackoffOptions {
  absl::Duration first = absl::Milliseconds(200);
  absl::Duration longest = absl::Seconds(5);
  double factor = 1.6;
  double jitter = 0.2;  // each wait is scaled by 1 +- jitter, so that clients do not move in step
  absl::Duration give_up = absl::Minutes(10);  // of waiting since the last success
};

// Not thread-safe.
class Backoff {
 public:
  explicit Backoff(const BackoffOptions& options) : options_(options), random_(std::random_device()()) {}

  // The next wait.
  absl::Duration Next() {
    const double scale =
        std::uniform_real_distribution<double>(1 - options_.jitter, 1 + options_.jitter)(random_);
    const absl::Duration wait = base_ * scale;
    base_ = std::min(base_ * options_.factor, options_.longest);
    waited_ += wait;
    return wait;
  }

  // Since the last success.
  absl::Duration waited() const { return waited_; }

  // Whether waiting has taken give_up in all.
  bool exhausted() const { return waited_ >= options_.give_up; }

  // After a success: begins again.
  void Reset() {
    base_ = options_.first;
    waited_ = absl::ZeroDuration();
  }

 private:
  const BackoffOptions options_;
  absl::Duration base_ = options_.first;
  absl::Duration waited_;
  std::mt19937 random_;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_BACKOFF_H_
