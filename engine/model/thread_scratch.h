// Working memory of a thread.
#ifndef KPRUNE_ENGINE_MODEL_THREAD_SCRATCH_H_
#define KPRUNE_ENGINE_MODEL_THREAD_SCRATCH_H_

#include <cstdint>

namespace kprune {

// At least `floats` floats of the calling thread, aligned to 64 bytes and kept between calls; the next call
// of the same thread gives the same memory, or more of it.
float* ThreadScratch(int64_t floats);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_THREAD_SCRATCH_H_
