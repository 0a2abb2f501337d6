#include "engine/pruning/out_of_memory.h"

#include <c10/util/Exception.h>

#include <new>

#include "absl/strings/match.h"

namespace kprune {

bool IsOutOfMemory(const std::exception& error) {
  return dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
         dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         absl::StrContains(error.what(), "can't allocate memory");  // of the CPU's allocator
}

}  // namespace kprune
