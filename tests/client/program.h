// The kprune program as a process of its own, and a folder to run it in.
#ifndef KPRUNE_TESTS_CLIENT_PROGRAM_H_
#define KPRUNE_TESTS_CLIENT_PROGRAM_H_

#include <string>
#include <vector>

#include "tests/client/scratch_folder.h"
#include "tests/support/process.h"

namespace kprune::client {

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// A started kprune. Its output lies in a folder of its own until it is gone.
class Program {
 public:
  Program(std::vector<std::string> arguments, const kprune::testing::Process::Environment& environment)
      : process_(WithProgram(std::move(arguments)), log_.path() / "log", environment) {}

  // Waits until standard error contains `text`.
  bool AwaitError(const std::string& text) {
    return kprune::testing::Eventually([&] { return process_.Errors().find(text) != std::string::npos; });
  }

  void Signal(int signal) { process_.Signal(signal); }

  Outcome Finish() { return {process_.Wait().value_or(-1), process_.Output(), process_.Errors()}; }

 private:
  static std::vector<std::string> WithProgram(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), KPRUNE_BIN_DIR "/kprune");
    return arguments;
  }

  ScratchFolder log_;
  kprune::testing::Process process_;
};

inline Outcome RunProgram(const std::vector<std::string>& arguments,
                          const kprune::testing::Process::Environment& environment = {}) {
  return Program(arguments, environment).Finish();
}

}  // namespace kprune::client

#endif  // KPRUNE_TESTS_CLIENT_PROGRAM_H_
