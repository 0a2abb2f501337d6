#include "server/jobs/process_usage.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace kprune {

std::optional<WorkerUsage> ReadProcessUsage(int64_t pid) {
  std::ifstream stat(absl::StrCat("/proc/", pid, "/stat")), statm(absl::StrCat("/proc/", pid, "/statm"));
  std::string line;
  if (!std::getline(stat, line)) return std::nullopt;
  // The program's name, in parentheses, may hold anything; the third field follows the last ')'.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  int64_t user_ticks = 0, system_ticks = 0;
  fields >> user_ticks >> system_ticks;
  int64_t all_pages = 0, resident_pages = 0, shared_pages = 0;
  statm >> all_pages >> resident_pages >> shared_pages;
  if (!fields || !statm) return std::nullopt;
  WorkerUsage usage;
  usage.cpu_time = absl::Seconds(1) * (user_ticks + system_ticks) / sysconf(_SC_CLK_TCK);
  usage.memory_bytes = (resident_pages - shared_pages) * sysconf(_SC_PAGESIZE);
  return usage;
}

}  // namespace kprune
