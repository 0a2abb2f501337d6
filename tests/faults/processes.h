// What /proc tells of processes that a test looks after.
#ifndef KPRUNE_TESTS_FAULTS_PROCESSES_H_
#define KPRUNE_TESTS_FAULTS_PROCESSES_H_

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace kprune::testing {

inline int CountEntries(const std::filesystem::path& folder) {
  int count = 0;
  std::error_code error;  // the process may be ending
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    ++count;
  }
  return count;
}

inline std::filesystem::path ProcOf(pid_t pid) {
  return std::filesystem::path("/proc") / std::to_string(pid);
}
inline int OpenDescriptors(pid_t pid) { return CountEntries(ProcOf(pid) / "fd"); }
inline int Threads(pid_t pid) { return CountEntries(ProcOf(pid) / "task"); }

inline int64_t ResidentBytes(pid_t pid) {
  std::ifstream statm(ProcOf(pid) / "statm");
  int64_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// The workers whose job directories are below `folder`.
inline std::vector<pid_t> WorkersBelow(const std::filesystem::path& folder) {
  std::vector<pid_t> workers;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    std::ifstream file(entry.path() / "cmdline", std::ios::binary);
    const std::string command((std::istreambuf_iterator<char>(file)), {});
    const bool is_worker = command.find("--job-dir") != std::string::npos;
    if (is_worker && command.find(folder.string() + "/") != std::string::npos) workers.push_back(pid);
  }
  return workers;
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_FAULTS_PROCESSES_H_
