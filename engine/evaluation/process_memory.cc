#include "engine/evaluation/process_memory.h"

#include <malloc.h>

#include <fstream>
#include <string>

namespace kprune {

absl::StatusOr<ProcessMemory> ReadProcessMemory() {
  malloc_trim(0);
  ProcessMemory memory;
  std::ifstream status("/proc/self/status");
  std::string key, unit;
  for (int64_t kibibytes = 0; status >> key;) {
    if (key == "VmRSS:" && status >> kibibytes) memory.resident_bytes = kibibytes * 1024;
    if (key == "VmHWM:" && status >> kibibytes) memory.peak_resident_bytes = kibibytes * 1024;
    std::getline(status, unit);
  }
  if (memory.resident_bytes == 0 || memory.peak_resident_bytes == 0)
    return absl::InternalError(
        "/proc/self/status has no VmRSS or no VmHWM; memory is measured on Linux only");
  return memory;
}

}  // namespace kprune
