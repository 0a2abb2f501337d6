// Real processes: what a worker inherits, how it is heard, and how it ends.
#include "server/jobs/process_worker_launcher.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "server/jobs/process_identity.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using testing::HasSubstr;
using testing::Not;
using Kind = ProgressRead::Kind;

constexpr absl::Duration kPatience = absl::Minutes(1);

class ProcessWorkerLauncherTest : public testing::Test {
 protected:
  // A worker that is a shell script: "$2" is its job directory, and 3 its progress descriptor.
  std::unique_ptr<WorkerProcess> Launch(const std::string& script) {
    const auto program = folder_.path() / "worker.sh";
    std::ofstream(program) << "#!/bin/bash\n" << script << "\n";
    chmod(program.c_str(), 0700);
    launcher_ = std::make_unique<ProcessWorkerLauncher>(program);
    auto worker = launcher_->Launch({folder_.path(), "cpu"});
    EXPECT_TRUE(worker.ok()) << worker.status();
    return worker.ok() ? *std::move(worker) : nullptr;
  }

  std::string Log() {
    std::ifstream in(folder_.path() / kWorkerLogFile);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  TempDirectory folder_;
  std::unique_ptr<ProcessWorkerLauncher> launcher_;
};

TEST_F(ProcessWorkerLauncherTest, Examples) {
  auto worker = Launch("echo one >&3; echo two >&3; echo \"$@\"; exit 2");
  EXPECT_EQ(worker->ReadProgress(kPatience).line, "one");
  EXPECT_EQ(worker->ReadProgress(kPatience).line, "two");
  EXPECT_EQ(worker->ReadProgress(kPatience).kind, Kind::kClosed);
  auto exit = worker->Wait(kPatience);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->value, 2);
  EXPECT_FALSE(exit->signalled);
  EXPECT_EQ(Log(), "--job-dir " + folder_.path().string() +
                       " --progress-fd 3 --device cpu --onnxruntime auto --cage on --only-job-dir\n");
}

TEST_F(ProcessWorkerLauncherTest, AWorkerIsToldWhereItsSigningKeyIsAndHowItIsCaged) {
  const auto program = folder_.path() / "worker.sh";
  std::ofstream(program) << "#!/bin/bash\necho \"$@\"\n";
  chmod(program.c_str(), 0700);
  ProcessWorkerLauncher launcher(
      program, {.onnxruntime = "none", .signing_key = "/keys/release.pem", .cage = "require"});
  auto worker = launcher.Launch({folder_.path(), "cpu"});
  ASSERT_TRUE(worker.ok()) << worker.status();
  ASSERT_TRUE((*worker)->Wait(kPatience));
  EXPECT_THAT(
      Log(),
      HasSubstr(" --onnxruntime none --cage require --only-job-dir --signing-key /keys/release.pem\n"));
}

TEST_F(ProcessWorkerLauncherTest, AWorkerOnACpuCannotAskForFarMoreThanItsLimit) {
  const auto program = folder_.path() / "worker.sh";
  std::ofstream(program) << "#!/bin/bash\nexec sleep 60\n";
  chmod(program.c_str(), 0700);
  const auto limit_of = [&](int64_t memory_bytes, const std::string& device) {
    ProcessWorkerLauncher launcher(program, {.memory_bytes = memory_bytes});
    auto worker = launcher.Launch({folder_.path(), device});
    EXPECT_TRUE(worker.ok()) << worker.status();
    rlimit data{};
    EXPECT_EQ(prlimit(static_cast<pid_t>((*worker)->identity().pid), RLIMIT_DATA, nullptr, &data), 0);
    (*worker)->Kill();
    EXPECT_TRUE((*worker)->Wait(kPatience));
    return data.rlim_cur;
  };
  constexpr int64_t kLimit = int64_t{1} << 30;
  EXPECT_EQ(limit_of(kLimit, "cpu"), static_cast<rlim_t>(ProcessWorkerLauncher::DataLimit(kLimit)));
  EXPECT_EQ(limit_of(kLimit, "cuda:0"), RLIM_INFINITY);
  EXPECT_EQ(limit_of(0, "cpu"), RLIM_INFINITY);
}

TEST_F(ProcessWorkerLauncherTest, AWorkerInheritsNoDescriptorOfTheServer) {
  const int secret = open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as a careless library would
  auto worker = Launch("ls /proc/self/fd; readlink /proc/$$/fd/0");
  ASSERT_TRUE(worker->Wait(kPatience));
  close(secret);
  // 0, 1, 2, the progress pipe, and the folder that ls reads.
  EXPECT_EQ(Log(), "0\n1\n2\n3\n4\n/dev/null\n");
}

TEST_F(ProcessWorkerLauncherTest, AWorkerInheritsNeitherTheServersSettingsNorItsSignals) {
  setenv("KPRUNE_TEST_SETTING", "secret", 1);
  setenv("VAULT_TEST_TOKEN", "secret", 1);
  setenv("OMP_TEST_SETTING", "plain", 1);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  auto worker = Launch("env; echo ready >&3; while true; do sleep 0.05; done");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_EQ(worker->ReadProgress(kPatience).line, "ready");
  EXPECT_THAT(Log(), HasSubstr("OMP_TEST_SETTING=plain"));
  EXPECT_THAT(Log(), Not(HasSubstr("secret")));
  worker->Terminate();
  auto exit = worker->Wait(kPatience);
  ASSERT_TRUE(exit) << "SIGTERM was blocked";
  EXPECT_TRUE(exit->signalled);
  EXPECT_EQ(exit->value, SIGTERM);
}

TEST_F(ProcessWorkerLauncherTest, KillAlsoEndsWhatTheWorkerStarted) {
  auto worker = Launch("trap '' TERM; sleep 1000 & echo $! >&3; wait; wait; while true; do sleep 1000; done");
  const int child = std::stoi(worker->ReadProgress(kPatience).line);
  const auto identity = ReadProcessIdentity(child);
  ASSERT_TRUE(identity);
  EXPECT_FALSE(worker->Wait(absl::ZeroDuration()));
  worker->Kill();
  auto exit = worker->Wait(kPatience);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->value, SIGKILL);
  // The pipe has no writer any more: the child, which had inherited it, has gone too.
  EXPECT_EQ(worker->ReadProgress(kPatience).kind, Kind::kClosed);
}

TEST_F(ProcessWorkerLauncherTest, ALineThatIsTooLongIsDroppedAndTheNextIsRead) {
  auto worker =
      Launch("head -c 200000 /dev/zero | tr '\\0' x >&3; echo >&3; echo short >&3; printf unfinished >&3");
  EXPECT_EQ(worker->ReadProgress(kPatience).kind, Kind::kTooLong);
  EXPECT_EQ(worker->ReadProgress(kPatience).line, "short");
  EXPECT_EQ(worker->ReadProgress(kPatience).kind, Kind::kClosed);
}

TEST_F(ProcessWorkerLauncherTest, AWorkerEndsByItselfWhenNobodyReadsItsProgress) {
  std::filesystem::create_directories(folder_.path() / "model");
  std::ofstream(folder_.path() / "job.json") << R"({"kind": "prune"})";
  std::ofstream(folder_.path() / "model" / "config.json")
      << R"({"fake": {"hang": true, "ignore_sigterm": true}})";
  // A server that dies without a word: its process ends while its worker runs.
  int to_test[2];
  ASSERT_EQ(pipe(to_test), 0);
  const pid_t server = fork();
  if (server == 0) {
    ProcessWorkerLauncher launcher(std::filesystem::path(KPRUNE_BIN_DIR) / "fake_worker");
    auto worker = launcher.Launch({folder_.path(), "cpu"});
    if (!worker.ok() || (*worker)->ReadProgress(kPatience).kind != Kind::kLine) _exit(1);
    const int64_t told[2] = {(*worker)->identity().pid, (*worker)->identity().start_ticks};
    if (write(to_test[1], told, sizeof told) != sizeof told) _exit(1);
    _exit(0);
  }
  int64_t told[2] = {};
  ASSERT_EQ(read(to_test[0], told, sizeof told), static_cast<ssize_t>(sizeof told));
  waitpid(server, nullptr, 0);
  close(to_test[0]);
  close(to_test[1]);
  ProcessWorkerLauncher launcher("unused");
  // It does not listen to SIGTERM and would be killed after an hour: only the broken pipe ends it.
  EXPECT_TRUE(launcher.EnsureGone({told[0], told[1], ReadBootId()}, absl::Hours(1)).ok());
}

TEST_F(ProcessWorkerLauncherTest, EnsureGoneLeavesAnotherProcessWithThatPidAlone) {
  auto worker = Launch("echo ready >&3; while true; do sleep 0.05; done");
  ASSERT_EQ(worker->ReadProgress(kPatience).line, "ready");
  ProcessIdentity stranger = worker->identity();
  stranger.start_ticks += 1;
  EXPECT_TRUE(launcher_->EnsureGone(stranger, absl::ZeroDuration()).ok());
  stranger = worker->identity();
  stranger.boot_id = "an earlier boot";
  EXPECT_TRUE(launcher_->EnsureGone(stranger, absl::ZeroDuration()).ok());
  EXPECT_TRUE(launcher_->EnsureGone({}, absl::ZeroDuration()).ok());
  EXPECT_FALSE(worker->Wait(absl::ZeroDuration())) << "it was ended by mistake";
  EXPECT_TRUE(launcher_->EnsureGone(worker->identity(), absl::ZeroDuration()).ok());
  EXPECT_TRUE(worker->Wait(kPatience)->signalled);
  EXPECT_TRUE(launcher_->EnsureGone(worker->identity(), absl::ZeroDuration()).ok()) << "gone already";
}

TEST_F(ProcessWorkerLauncherTest, AProgramThatCannotBeStartedIsNamed) {
  ProcessWorkerLauncher launcher(folder_.path() / "missing");
  auto worker = launcher.Launch({folder_.path(), "cpu"});
  EXPECT_TRUE(absl::IsUnavailable(worker.status()));
  EXPECT_THAT(std::string(worker.status().message()), HasSubstr("missing"));
}

}  // namespace
}  // namespace kprune
