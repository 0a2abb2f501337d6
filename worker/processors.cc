#include "worker/processors.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

namespace kprune {
namespace {

// About a microsecond of spinning: enough for threads that run, too little to hurt where they do not.
constexpr char kSpinCount[] = "1000";

// Processors of the control group's quota (cgroup version 2, as containers see it); 0 where there is none.
int QuotaProcessors() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return static_cast<int>(std::ceil(std::strtod(quota.c_str(), nullptr) / period));
}

}  // namespace

int AvailableProcessors() {
  cpu_set_t allowed;
  int processors = sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
  if (const int quota = QuotaProcessors(); quota > 0) processors = std::min(processors, quota);
  return std::max(processors, 1);
}

void LimitSpinning(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("GOMP_SPINCOUNT", kSpinCount, 1);
  execv("/proc/self/exe", argv);
}

}  // namespace kprune
