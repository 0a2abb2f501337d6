// A loop over independent items on several threads.
#ifndef KPRUNE_ENGINE_DATA_PARALLEL_FOR_H_
#define KPRUNE_ENGINE_DATA_PARALLEL_FOR_H_

#include <cstdint>
#include <functional>

namespace kprune {

// Calls body(0) ... body(count - 1), each once, on up to `threads` threads (0: the processors available to
// the process), and returns when all are done. Which thread does what is not fixed: body(i) must depend on i
// only.
void ParallelFor(int64_t count, int threads, const std::function<void(int64_t)>& body);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_PARALLEL_FOR_H_
