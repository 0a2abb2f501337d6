// Memory of this process, as Linux counts it.
#ifndef KPRUNE_ENGINE_EVALUATION_PROCESS_MEMORY_H_
#define KPRUNE_ENGINE_EVALUATION_PROCESS_MEMORY_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace kprune {

struct ProcessMemory {
  int64_t resident_bytes = 0;       // VmRSS: now
  int64_t peak_resident_bytes = 0;  // VmHWM: the most so far
};

// Reads /proc/self/status, after the heap has given back what is free: memory that lies unused is not counted
// as in use. Internal where the file does not say.
absl::StatusOr<ProcessMemory> ReadProcessMemory();

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_PROCESS_MEMORY_H_
