// Loops that threads share out among themselves as they go.
#ifndef KPRUNE_ENGINE_MODEL_SHARE_OUT_H_
#define KPRUNE_ENGINE_MODEL_SHARE_OUT_H_

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace kprune {

// Parts for each thread: the last ones to finish then wait for a fraction of their work.
inline constexpr int64_t kPartsPerThread = 8;

// Calls body(begin, end) for parts of 0 .. count - 1, at least `grain` long but for the last. A thread takes
// the next part when it has finished one: none waits for another that was slow, be it for its part or for
// what else the machine does. Threads are LibTorch's; inside of a parallel region of its, the calling thread
// does it all.
template <typename Body>
void ShareOut(int64_t count, int64_t grain, const Body& body) {
  const int64_t wanted = kPartsPerThread * at::get_num_threads();
  const int64_t part = std::max<int64_t>({1, grain, (count + wanted - 1) / wanted});
  const int64_t parts = (count + part - 1) / part;
  std::atomic<int64_t> next = 0;
  at::parallel_for(0, std::min<int64_t>(parts, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    for (int64_t i = next++; i < parts; i = next++) body(i * part, std::min(count, (i + 1) * part));
  });
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_SHARE_OUT_H_
