// Workers without a process: a script says what each sends, leaves and answers.
#ifndef KPRUNE_TESTS_FAKES_FAKE_WORKER_LAUNCHER_H_
#define KPRUNE_TESTS_FAKES_FAKE_WORKER_LAUNCHER_H_

#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "kprune/worker_launcher.h"

namespace kprune {

struct FakeWorkerScript {
  std::vector<std::string> lines;
  WorkerExitStatus exit;
  // Stays after its last line until it is told to end; `obeys` says whether SIGTERM suffices.
  bool stays = false;
  bool obeys = true;
  // What it is seen to use while it runs.
  WorkerUsage usage;
  // Called at its start with its job directory.
  std::function<void(const std::filesystem::path&)> work = [](const std::filesystem::path&) {};
};

class FakeWorkerProcess final : public WorkerProcess {
 public:
  FakeWorkerProcess(FakeWorkerScript script, int64_t pid)
      : script_(std::move(script)), identity_{pid, 1, "fake"} {
    lines_.assign(script_.lines.begin(), script_.lines.end());
    if (!script_.stays) exit_ = script_.exit;
  }

  const ProcessIdentity& identity() const override { return identity_; }

  ProgressRead ReadProgress(absl::Duration timeout) override {
    std::unique_lock lock(mutex_);
    if (lines_.empty())
      ended_.wait_for(lock, absl::ToChronoMilliseconds(timeout), [&] { return exit_.has_value(); });
    if (!lines_.empty()) {
      ProgressRead read{ProgressRead::Kind::kLine, lines_.front()};
      lines_.pop_front();
      return read;
    }
    return {exit_ ? ProgressRead::Kind::kClosed : ProgressRead::Kind::kTimeout, {}};
  }

  std::optional<WorkerUsage> Usage() override {
    std::lock_guard lock(mutex_);
    return exit_ ? std::nullopt : std::optional(script_.usage);
  }

  std::optional<WorkerExitStatus> Wait(absl::Duration timeout) override {
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, absl::ToChronoMilliseconds(timeout), [&] { return exit_.has_value(); });
    return exit_;
  }

  void Terminate() override {
    if (script_.obeys) End(script_.exit);
  }
  void Kill() override { End({SIGKILL, true}); }

 private:
  void End(WorkerExitStatus exit) {
    std::lock_guard lock(mutex_);
    if (!exit_) exit_ = exit;
    ended_.notify_all();
  }

  const FakeWorkerScript script_;
  const ProcessIdentity identity_;

  std::mutex mutex_;
  std::condition_variable ended_;
  // Guarded by mutex_.
  std::deque<std::string> lines_;
  std::optional<WorkerExitStatus> exit_;
};

// Thread-safe.
class FakeWorkerLauncher final : public WorkerLauncher {
 public:
  // `script` is asked at every launch.
  explicit FakeWorkerLauncher(std::function<absl::StatusOr<FakeWorkerScript>(const LaunchRequest&)> script)
      : script_(std::move(script)) {}

  absl::StatusOr<std::unique_ptr<WorkerProcess>> Launch(const LaunchRequest& request) override {
    absl::StatusOr<FakeWorkerScript> script = script_(request);
    if (!script.ok()) return script.status();
    script->work(request.job_directory);
    std::lock_guard lock(mutex_);
    return std::make_unique<FakeWorkerProcess>(*std::move(script), ++last_pid_);
  }

  absl::Status EnsureGone(const ProcessIdentity& process, absl::Duration) override {
    std::lock_guard lock(mutex_);
    gone_.push_back(process);
    return absl::OkStatus();
  }

  // What EnsureGone was asked for.
  std::vector<ProcessIdentity> gone() const {
    std::lock_guard lock(mutex_);
    return gone_;
  }

 private:
  const std::function<absl::StatusOr<FakeWorkerScript>(const LaunchRequest&)> script_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  int64_t last_pid_ = 0;
  std::vector<ProcessIdentity> gone_;
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_FAKES_FAKE_WORKER_LAUNCHER_H_
