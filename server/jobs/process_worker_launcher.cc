#include "server/jobs/process_worker_launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/jobs/line_reader.h"
#include "server/jobs/process_identity.h"
#include "server/jobs/process_usage.h"

namespace kprune {
namespace {

// The descriptor on which the worker finds its progress pipe.
constexpr int kProgressDescriptor = 3;
// How long the kernel may take to end a killed process.
constexpr absl::Duration kKillPatience = absl::Seconds(30);

int PidfdOpen(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

// Whether the process behind the pidfd has ended.
bool WaitForEnd(int pidfd, absl::Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  for (;;) {
    const int64_t left = std::clamp<int64_t>(
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count(), 0,
        1 << 30);
    pollfd ended = {pidfd, POLLIN, 0};
    const int count = poll(&ended, 1, static_cast<int>(left));
    if (count > 0) return true;
    if (count == 0 || errno != EINTR) return false;
  }
}

class SpawnedWorker final : public WorkerProcess {
 public:
  SpawnedWorker(ProcessIdentity identity, int pidfd, std::unique_ptr<LineReader> progress)
      : identity_(std::move(identity)), pidfd_(pidfd), progress_(std::move(progress)) {}

  ~SpawnedWorker() override {
    Kill();
    Wait(kKillPatience);
    close(pidfd_);
  }

  const ProcessIdentity& identity() const override { return identity_; }

  ProgressRead ReadProgress(absl::Duration timeout) override { return progress_->Read(timeout); }

  std::optional<WorkerUsage> Usage() override {
    std::lock_guard lock(mutex_);
    return status_ ? std::nullopt : ReadProcessUsage(identity_.pid);
  }

  std::optional<WorkerExitStatus> Wait(absl::Duration timeout) override {
    if (!WaitForEnd(pidfd_, timeout)) return std::nullopt;
    std::lock_guard lock(mutex_);
    if (!status_) Reap();
    return status_;
  }

  void Terminate() override { Signal(SIGTERM); }
  void Kill() override { Signal(SIGKILL); }

 private:
  pid_t pid() const { return static_cast<pid_t>(identity_.pid); }

  void Signal(int signal_number) {
    std::lock_guard lock(mutex_);
    // Until it is reaped its pid, and so its process group, cannot mean anybody else.
    if (!status_) kill(-pid(), signal_number);
  }

  // With mutex_ held, once the process has ended.
  void Reap() {
    kill(-pid(), SIGKILL);  // whatever it started and left behind
    int raw = 0;
    while (waitpid(pid(), &raw, 0) < 0 && errno == EINTR) {
    }
    status_ =
        WIFSIGNALED(raw) ? WorkerExitStatus{WTERMSIG(raw), true} : WorkerExitStatus{WEXITSTATUS(raw), false};
  }

  const ProcessIdentity identity_;
  const int pidfd_;
  const std::unique_ptr<LineReader> progress_;

  std::mutex mutex_;
  std::optional<WorkerExitStatus> status_;  // guarded by mutex_; set when reaped
};

// Names and beginnings of names of what a worker gets of the server's environment: what finds and tunes
// libraries. The rest, secrets of the server among it, is none of its business.
constexpr std::string_view kForWorkers[] = {
    // the system's
    "PATH=", "HOME=", "TZ=", "LANG=", "LC_", "TMPDIR=", "LD_", "GLIBC_TUNABLES=", "MALLOC_",
    // those that compute
    "OMP_", "GOMP_", "KMP_", "MKL_", "DNNL_", "ONEDNN_", "ATEN_", "TORCH_", "PYTORCH_", "THP_",
    // a GPU's
    "CUDA_", "CUBLAS_", "CUDNN_", "NVIDIA_", "NCCL_",
    // the sanitizers'
    "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "TSAN_OPTIONS="};

bool IsForWorkers(std::string_view variable) {
  return std::any_of(std::begin(kForWorkers), std::end(kForWorkers),
                     [&](std::string_view name) { return variable.starts_with(name); });
}

// What the child does between fork and exec.
class SpawnPlan {
 public:
  SpawnPlan(const std::string& log_file, int progress_descriptor) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, log_file.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, progress_descriptor, kProgressDescriptor);
    posix_spawn_file_actions_addclosefrom_np(&actions_, kProgressDescriptor + 1);

    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // errno, or 0 and the pid.
  int Spawn(const std::string& program, const std::vector<std::string>& arguments, pid_t* pid) {
    std::vector<char*> argv = {const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    std::vector<char*> environment;
    for (char** variable = environ; *variable != nullptr; ++variable) {
      if (IsForWorkers(*variable)) environment.push_back(*variable);
    }
    environment.push_back(nullptr);
    return posix_spawn(pid, program.c_str(), &actions_, &attributes_, argv.data(), environment.data());
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

absl::Status SystemError(std::string_view what, int error) {
  return absl::UnavailableError(absl::StrCat("Cannot ", std::string(what), ": ", strerror(error), "."));
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerProcess>> ProcessWorkerLauncher::Launch(const LaunchRequest& request) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return SystemError("make a progress pipe", errno);
  auto progress = std::make_unique<LineReader>(ends[0]);
  // Out of the way of the descriptors that the child's own are made on.
  const int writing_end = fcntl(ends[1], F_DUPFD_CLOEXEC, kProgressDescriptor + 1);
  close(ends[1]);
  if (writing_end < 0) return SystemError("make a progress pipe", errno);

  std::vector<std::string> arguments = {"--job-dir",     request.job_directory.string(),
                                        "--progress-fd", std::to_string(kProgressDescriptor),
                                        "--device",      request.device,
                                        "--onnxruntime", settings_.onnxruntime,
                                        "--cage",        settings_.cage,
                                        "--only-job-dir"};
  if (!settings_.signing_key.empty())
    arguments.insert(arguments.end(), {"--signing-key", settings_.signing_key});
  SpawnPlan plan((request.job_directory / kWorkerLogFile).string(), writing_end);
  pid_t pid = 0;
  const int error = plan.Spawn(program_.string(), arguments, &pid);
  close(writing_end);
  if (error != 0) return SystemError(absl::StrCat("start the worker ", program_.string()), error);
  const rlimit no_core = {0, 0};
  prlimit(pid, RLIMIT_CORE, &no_core, nullptr);  // a dump would hold a tenant's texts
  if (settings_.memory_bytes > 0 && request.device == "cpu") {
    const auto most = static_cast<rlim_t>(DataLimit(settings_.memory_bytes));
    const rlimit data = {most, most};
    prlimit(pid, RLIMIT_DATA, &data, nullptr);
  }

  const int pidfd = PidfdOpen(pid);
  const std::optional<ProcessIdentity> identity = ReadProcessIdentity(pid);
  if (pidfd >= 0 && identity) return std::make_unique<SpawnedWorker>(*identity, pidfd, std::move(progress));
  const absl::Status failure = SystemError("follow the worker (pidfd_open and /proc are needed)", errno);
  kill(-pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  if (pidfd >= 0) close(pidfd);
  return failure;
}

absl::Status ProcessWorkerLauncher::EnsureGone(const ProcessIdentity& process, absl::Duration grace) {
  if (process.pid <= 0 || process.boot_id != ReadBootId()) return absl::OkStatus();
  const pid_t pid = static_cast<pid_t>(process.pid);
  const int pidfd = PidfdOpen(pid);
  if (pidfd < 0 && errno == ESRCH) return absl::OkStatus();
  if (pidfd < 0) return SystemError(absl::StrCat("look at process ", pid), errno);
  // Read after the pidfd was opened: if it is the one, the pidfd means it for good.
  bool gone = ReadProcessIdentity(pid) != process;
  if (!gone) {
    kill(-pid, SIGTERM);
    gone = WaitForEnd(pidfd, grace);
  }
  if (!gone) {
    kill(-pid, SIGKILL);
    gone = WaitForEnd(pidfd, kKillPatience);
  }
  close(pidfd);
  if (gone) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("The worker of an earlier server, process ", pid, ", cannot be ended; end it by hand."));
}

}  // namespace kprune
