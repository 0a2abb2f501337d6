// Real processes for tests: started with their output in files, waited for with a bound, and never left
// behind. Also a folder that disappears with the test, and a bounded wait for a condition.
#ifndef KPRUNE_TESTS_SUPPORT_PROCESS_H_
#define KPRUNE_TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/temp_directory.h"

namespace kprune::testing {

using Seconds = std::chrono::duration<double>;

// The most that a test waits for anything: far more than it takes, also under a sanitizer on a busy machine.
inline constexpr Seconds kPatience{180};

// Asks `condition` until it holds; false when it does not within `patience`.
bool Eventually(const std::function<bool()>& condition, Seconds patience = kPatience);

std::string ReadFile(const std::filesystem::path& file);  // "" where there is none
void WriteFile(const std::filesystem::path& file, const std::string& bytes);

// The same folder as everywhere, by the name that reads well beside Process.
using TemporaryFolder = TempDirectory;

// A child process. Not thread-safe. The destructor kills it where it still runs. Throws std::runtime_error
// where it cannot start.
class Process {
 public:
  using Environment = std::map<std::string, std::string>;

  // command[0] is the program's path; standard output and errors go to <log>.out and <log>.err; `environment`
  // is added to ours.
  Process(const std::vector<std::string>& command, const std::filesystem::path& log,
          const Environment& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool Running();
  void Signal(int signal);

  // The exit status, or 128 + the number of the signal that ended it; nullopt when it still runs after
  // `patience`.
  std::optional<int> Wait(Seconds patience = kPatience);

  std::string Output() const { return ReadFile(output_file_); }
  std::string Errors() const { return ReadFile(errors_file_); }

 private:
  std::filesystem::path output_file_, errors_file_;
  pid_t pid_ = -1;
  std::optional<int> status_;  // set once the process has been reaped
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_SUPPORT_PROCESS_H_
