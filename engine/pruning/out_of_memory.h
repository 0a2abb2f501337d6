// How LibTorch and the C++ library say that memory ran out.
#ifndef KPRUNE_ENGINE_PRUNING_OUT_OF_MEMORY_H_
#define KPRUNE_ENGINE_PRUNING_OUT_OF_MEMORY_H_

#include <exception>

namespace kprune {

// Whether `error` says that memory ran out, on the device or on the host. Thread-safe.
bool IsOutOfMemory(const std::exception& error);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_OUT_OF_MEMORY_H_
