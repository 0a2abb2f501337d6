#include "server/devices.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"

extern char** environ;

namespace kprune {
namespace {

constexpr size_t kMaxProbeBytes = 1 << 20;

struct Probe {
  pid_t pid = -1;
  int output = -1;
};

absl::StatusOr<Probe> StartProbe(const std::string& program, const std::string& signing_key) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "cannot make a pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<std::string> command = {program, "--probe"};
  if (!signing_key.empty()) command.insert(command.end(), {"--signing-key", signing_key});
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  Probe probe;
  probe.output = ends[0];
  const int error = ::posix_spawn(&probe.pid, program.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (error == 0) return probe;
  ::close(ends[0]);
  return absl::ErrnoToStatus(error, absl::StrCat("cannot start the worker program ", program));
}

// Everything the probe prints until it closes its output.
absl::StatusOr<std::string> ReadOutput(int descriptor, absl::Time deadline) {
  std::string output;
  char buffer[4096];
  while (output.size() <= kMaxProbeBytes) {
    struct pollfd poll = {descriptor, POLLIN, 0};
    const int64_t left_ms = std::max<int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now()));
    const int ready = ::poll(&poll, 1, static_cast<int>(std::min<int64_t>(left_ms, 1 << 30)));
    if (ready == 0) return absl::DeadlineExceededError("it did not answer in time");
    const ssize_t got = ready < 0 ? -1 : ::read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "its answer cannot be read");
    if (got == 0) return output;
    output.append(buffer, static_cast<size_t>(got));
  }
  return absl::FailedPreconditionError("it printed over 1 MiB");
}

absl::StatusOr<std::vector<Device>> ParseProbe(const std::string& output) {
  const nlohmann::json list = nlohmann::json::parse(output, nullptr, /*allow_exceptions=*/false);
  std::vector<Device> devices;
  bool valid = list.is_array() && !list.empty();
  for (const nlohmann::json& entry : valid ? list : nlohmann::json::array()) {
    valid = valid && entry.is_object() && entry.contains("id") && entry["id"].is_string() &&
            entry.contains("name") && entry["name"].is_string() && entry.contains("memory_bytes") &&
            entry["memory_bytes"].is_number_integer();
    if (!valid) break;
    devices.push_back({entry["id"], entry["name"], entry["memory_bytes"]});
  }
  if (valid) return devices;
  return absl::FailedPreconditionError(
      "it did not print a JSON array like [{\"id\": \"cpu\", \"name\": \"...\", \"memory_bytes\": 1}]");
}

}  // namespace

absl::StatusOr<std::vector<Device>> ProbeDevices(const std::filesystem::path& worker, absl::Duration limit,
                                                 const std::string& signing_key) {
  if (::access(worker.c_str(), X_OK) != 0) {
    return absl::NotFoundError(absl::StrCat("worker program ", worker.string(), " cannot be run (",
                                            std::strerror(errno), "); name one with --worker"));
  }
  const absl::StatusOr<Probe> probe = StartProbe(worker.string(), signing_key);
  if (!probe.ok()) return probe.status();
  const absl::StatusOr<std::string> output = ReadOutput(probe->output, absl::Now() + limit);
  ::close(probe->output);
  if (!output.ok()) ::kill(probe->pid, SIGKILL);
  int exit = 0;
  while (::waitpid(probe->pid, &exit, 0) < 0 && errno == EINTR) {
  }
  absl::Status failure = output.status();
  if (failure.ok() && exit != 0) {
    failure = absl::FailedPreconditionError(
        absl::StrCat("it ended with wait status ", exit, "; its own messages are above"));
  }
  absl::StatusOr<std::vector<Device>> devices = failure.ok() ? ParseProbe(*output) : failure;
  if (devices.ok()) return devices;
  return absl::Status(devices.status().code(),
                      absl::StrCat(worker.string(), " --probe failed: ", devices.status().message()));
}

absl::StatusOr<std::vector<Device>> ChooseDevices(const std::vector<Device>& found, std::string_view choice) {
  std::vector<Device> chosen;
  if (choice == "auto") {
    std::copy_if(found.begin(), found.end(), std::back_inserter(chosen),
                 [](const Device& device) { return absl::StartsWith(device.id, "cuda:"); });
    return chosen.empty() ? found : chosen;
  }
  for (const std::string& id : std::vector<std::string>(absl::StrSplit(std::string(choice), ','))) {
    const auto has_id = [&](const Device& device) { return device.id == id; };
    const auto device = std::find_if(found.begin(), found.end(), has_id);
    if (device == found.end()) {
      const std::string known = absl::StrJoin(
          found, ", ", [](std::string* out, const Device& entry) { absl::StrAppend(out, entry.id); });
      return absl::InvalidArgumentError(
          absl::StrCat("devices names \"", id, "\", which this machine lacks; it has ", known));
    }
    if (std::any_of(chosen.begin(), chosen.end(), has_id)) {
      return absl::InvalidArgumentError(absl::StrCat("devices names \"", id, "\" twice"));
    }
    chosen.push_back(*device);
  }
  return chosen;
}

}  // namespace kprune
