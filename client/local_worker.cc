#include "client/local_worker.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace kprune::client {
namespace {

namespace fs = std::filesystem;

constexpr int kProgressFd = 3;

// The spawn attributes: own process group, default signals, nothing blocked.
void SetAttributes(posix_spawnattr_t& attributes) {
  sigset_t none;
  sigemptyset(&none);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  sigaddset(&defaults, SIGINT);
  sigaddset(&defaults, SIGTERM);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

}  // namespace

absl::StatusOr<fs::path> FindWorker() {
  const char* named = std::getenv("KPRUNE_WORKER");
  std::error_code error;
  const fs::path program = named != nullptr && *named != '\0'
                               ? fs::path(named)
                               : fs::read_symlink("/proc/self/exe", error).parent_path() / "kprune-worker";
  if (access(program.c_str(), X_OK) == 0 && fs::is_regular_file(program, error)) return program;
  return absl::NotFoundError(absl::StrCat("the worker program is not at ", program.string(),
                                          "; install kprune-worker there or name it with KPRUNE_WORKER"));
}

absl::StatusOr<LocalWorker> LocalWorker::Start(const std::vector<std::string>& command,
                                               const fs::path& job_directory) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "cannot create the progress pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], kProgressFd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  SetAttributes(attributes);

  std::vector<std::string> arguments = command;
  arguments.insert(arguments.end(),
                   {"--job-dir", job_directory.string(), "--progress-fd", std::to_string(kProgressFd)});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, command[0].c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", command[0]));
  }
  return LocalWorker(pid, ends[0]);
}

LocalWorker::LocalWorker(LocalWorker&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      progress_fd_(std::exchange(other.progress_fd_, -1)),
      buffered_(std::move(other.buffered_)) {}

LocalWorker::~LocalWorker() {
  if (progress_fd_ >= 0) close(progress_fd_);
  if (pid_ < 0) return;
  Signal(SIGKILL);
  Reap();
}

std::optional<std::string> LocalWorker::ReadLine() {
  for (;;) {
    const size_t end = buffered_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffered_.substr(0, end);
      buffered_.erase(0, end + 1);
      return line;
    }
    char bytes[4096];
    const ssize_t count = read(progress_fd_, bytes, sizeof(bytes));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return std::nullopt;
    buffered_.append(bytes, static_cast<size_t>(count));
  }
}

void LocalWorker::AwaitExit() const {
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
}

int LocalWorker::Reap() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

void LocalWorker::Signal(int signal) const {
  if (pid_ > 0) kill(pid_, signal);
}

}  // namespace kprune::client
