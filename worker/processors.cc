#include "worker/processors.h"

#include <malloc.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

namespace kprune {
namespace {

// Some tens of microseconds of spinning, about what it costs to wake a thread: enough for threads that run,
// too little to hurt where they do not.
constexpr char kSpinCount[] = "20000";

// Processors of the control group's quota (cgroup version 2, as containers see it); 0 where there is none.
int QuotaProcessors() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return static_cast<int>(std::ceil(std::strtod(quota.c_str(), nullptr) / period));
}

// A number in a file of the control group; -1 where there is none ("max" is none).
int64_t ControlGroupBytes(const char* path) {
  std::ifstream file(path);
  int64_t bytes = -1;
  return file >> bytes ? bytes : -1;
}

}  // namespace

int64_t AvailableMemory() {
  std::ifstream meminfo("/proc/meminfo");
  int64_t available = 0;
  for (std::string line; std::getline(meminfo, line);) {
    if (line.rfind("MemAvailable:", 0) == 0) available = std::strtoll(line.c_str() + 13, nullptr, 10) * 1024;
  }
  const int64_t limit = ControlGroupBytes("/sys/fs/cgroup/memory.max");
  const int64_t used = ControlGroupBytes("/sys/fs/cgroup/memory.current");
  return limit < 0 || used < 0 ? available : std::min(available, std::max<int64_t>(limit - used, 1));
}

int AvailableProcessors() {
  cpu_set_t allowed;
  int processors = sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
  if (const int quota = QuotaProcessors(); quota > 0) processors = std::min(processors, quota);
  return std::max(processors, 1);
}

bool SetSpinCount() {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return false;
  setenv("GOMP_SPINCOUNT", kSpinCount, 1);
  return true;
}

void StartAgain(char* const* argv) { execv("/proc/self/exe", argv); }

void LimitSpinning(char** argv) {
  if (SetSpinCount()) StartAgain(argv);
}

void KeepFreedMemory() {
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that glibc accepts
}

void UseLargePages() { setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0); }

}  // namespace kprune
