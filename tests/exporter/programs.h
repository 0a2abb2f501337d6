// kprune-exporter as a process on an ephemeral loopback port, and jobs for servers whose worker is the fake
// one.
#ifndef KPRUNE_TESTS_EXPORTER_PROGRAMS_H_
#define KPRUNE_TESTS_EXPORTER_PROGRAMS_H_

#include <signal.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/process.h"
#include "tests/support/service.h"

namespace kprune::testing {

inline std::filesystem::path Program(const char* name) {
  return std::filesystem::path(KPRUNE_BIN_DIR) / name;
}

// Flags of a server that runs no real job.
inline std::vector<std::string> WithFakeWorker() { return {"--worker", Program("fake_worker")}; }

// A model whose fake worker behaves as `fake` says, and its samples; returns the arguments of `kprune
// submit`.
inline std::vector<std::string> SubmitArguments(const std::filesystem::path& folder,
                                                const nlohmann::json& fake) {
  WriteFile(folder / "model/config.json", nlohmann::json{{"model_type", "bert"}, {"fake", fake}}.dump());
  WriteFile(folder / "model/model.safetensors", "weights");
  WriteFile(folder / "samples.jsonl", "{\"text\": \"a\"}\n");
  return {"submit", folder / "model", "--data", folder / "samples.jsonl"};
}

// Not thread-safe. The destructor ends it.
class ExporterProgram {
 public:
  // Returns when it serves; throws std::runtime_error where it does not.
  ExporterProgram(const std::filesystem::path& folder, const std::vector<std::string>& flags) {
    std::vector<std::string> command = {Program("kprune-exporter"),
                                        "--listen",
                                        "127.0.0.1:0",
                                        "--port-file",
                                        folder / "port",
                                        "--interval-seconds",
                                        "0.1",
                                        "--timeout-seconds",
                                        "5"};
    command.insert(command.end(), flags.begin(), flags.end());
    process_ = std::make_unique<Process>(command, folder / "exporter");
    const auto ready = [&] { return !ReadFile(folder / "port").empty(); };
    if (!Eventually([&] { return ready() || !process_->Running(); }) || !ready())
      throw std::runtime_error("the exporter did not come up:\n" + process_->Errors());
    const std::string port = ReadFile(folder / "port");
    address_ = "127.0.0.1:" + port.substr(0, port.find('\n'));
  }

  std::string Scrape() const { return HttpGet(address_, "/metrics"); }

  // Whether this line is served, soon.
  bool Serves(const std::string& line) const {
    return Eventually([&] { return Scrape().find(line + "\n") != std::string::npos; });
  }

  std::optional<int> Terminate() {
    process_->Signal(SIGTERM);
    return process_->Wait();
  }

  std::string Log() const { return process_->Errors(); }

 private:
  std::unique_ptr<Process> process_;
  std::string address_;
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_EXPORTER_PROGRAMS_H_
