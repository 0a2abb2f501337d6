// Seconds since it was made.
#ifndef KPRUNE_ENGINE_PRUNING_STOPWATCH_H_
#define KPRUNE_ENGINE_PRUNING_STOPWATCH_H_

#include <chrono>

namespace kprune {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_STOPWATCH_H_
