// The three programs as a user meets them: kprune-server on a folder and an ephemeral loopback port, and the
// kprune client.
#ifndef KPRUNE_TESTS_SUPPORT_SERVICE_H_
#define KPRUNE_TESTS_SUPPORT_SERVICE_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace kprune::testing {

// What a finished command printed.
struct Finished {
  int status = -1;
  std::string output, errors;
};

// A server and its data folder. Not thread-safe. Functions throw std::runtime_error where a program does not
// come up or does not end within kPatience. The destructor ends the server.
class Service {
 public:
  // `programs`: the folder of kprune-server, kprune-worker and kprune. `folder` is used for data and logs,
  // and must outlive this. `flags` are more of the server's.
  Service(std::filesystem::path programs, std::filesystem::path folder, std::vector<std::string> flags = {});

  // Starts the server and waits until it serves. The first start chooses the port, later ones use the same.
  void Start();

  // SIGKILL, as a crash or a power cut would; returns when the process is gone.
  void Crash();

  // SIGTERM; returns the server's exit status.
  int Drain();

  // Starts `kprune ARGUMENTS...` against this server.
  std::unique_ptr<Process> StartClient(const std::vector<std::string>& arguments);

  // Runs it to its end.
  Finished Client(const std::vector<std::string>& arguments);

  // The text of http://.../metrics.
  std::string Metrics() const;

  // Of the running (or last) server.
  pid_t pid() const { return server_->pid(); }

  const std::string& address() const { return address_; }  // "127.0.0.1:PORT"
  const std::string& metrics_address() const { return metrics_address_; }

  // What the running (or last) server wrote, for messages.
  std::string Log() const;

 private:
  const std::filesystem::path programs_, folder_;
  const std::vector<std::string> flags_;
  int starts_ = 0, clients_ = 0;
  std::string address_, metrics_address_;
  std::unique_ptr<Process> server_;
};

// The body of a GET over plain HTTP; "" where nobody answers.
std::string HttpGet(const std::string& address, const std::string& path);

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_SUPPORT_SERVICE_H_
