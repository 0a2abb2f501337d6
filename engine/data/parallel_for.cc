#include "engine/data/parallel_for.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace kprune {

void ParallelFor(int64_t count, int threads, const std::function<void(int64_t)>& body) {
  constexpr int64_t kChunk = 16;  // items taken at once: less contention, still even
  if (threads <= 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  threads = static_cast<int>(std::min<int64_t>(threads, (count + kChunk - 1) / kChunk));
  std::atomic<int64_t> next = 0;
  const auto work = [&] {
    for (int64_t begin = next.fetch_add(kChunk); begin < count; begin = next.fetch_add(kChunk)) {
      const int64_t end = std::min(count, begin + kChunk);
      for (int64_t i = begin; i < end; ++i) body(i);
    }
  };
  std::vector<std::jthread> helpers;
  for (int i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
}

}  // namespace kprune
