#include "server/jobs/process_identity.h"

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace kprune {

std::optional<ProcessIdentity> ReadProcessIdentity(int64_t pid) {
  std::ifstream stat(absl::StrCat("/proc/", pid, "/stat"));
  std::string line;
  if (!std::getline(stat, line)) return std::nullopt;
  // The second field, the program's name in parentheses, may hold anything; the third follows the last ')'.
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  ProcessIdentity identity;
  identity.pid = pid;
  if (!(fields >> identity.start_ticks)) return std::nullopt;
  identity.boot_id = ReadBootId();
  return identity;
}

std::string ReadBootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot_id;
  std::getline(file, boot_id);
  return boot_id;
}

}  // namespace kprune
