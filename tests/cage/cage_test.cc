// What a caged process can still do, and what not; everything that is refused is shown to work uncaged.
#include "cage/cage.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "cage/places.h"
#include "tests/cage/caged_process.h"
#include "tests/support/temp_directory.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string Open(const fs::path& path, int flags) {
  const int descriptor = open(path.c_str(), flags | O_CLOEXEC, 0600);
  const std::string result = CameTo(descriptor);
  if (descriptor >= 0) close(descriptor);
  return result;
}

std::string Moved(const fs::path& from, const fs::path& to) {
  return CameTo(rename(from.c_str(), to.c_str()));
}

std::string Socket(int family) {
  const int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const std::string result = CameTo(descriptor);
  if (descriptor >= 0) close(descriptor);
  return result;
}

// A port of this machine that somebody listens on.
class Listener {
 public:
  Listener() : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    EXPECT_EQ(bind(descriptor_, Address(), size), 0);
    EXPECT_EQ(listen(descriptor_, 5), 0);
    EXPECT_EQ(getsockname(descriptor_, Address(), &size), 0);
  }
  ~Listener() { close(descriptor_); }

  std::string Connect() {
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return CameTo(client < 0 ? -1 : connect(client, Address(), sizeof address_));
  }

 private:
  sockaddr* Address() { return reinterpret_cast<sockaddr*>(&address_); }

  const int descriptor_;
  sockaddr_in address_ = {};
};

class CageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!support_.complete()) GTEST_SKIP() << "this kernel lacks " << MissingFences(support_);
    fs::create_directories(plan_.job_directory / "scratch" / "result");
    fs::create_directories(plan_.job_directory / "model");
    Write(outside_);
    fs::create_hard_link(outside_, input_);  // as a server lays inputs out
    plan_.readable = PlacesOfThisProgram();
  }

  static void Write(const fs::path& path) { std::ofstream(path) << "secret"; }

  std::string InCage(const std::function<std::string()>& act) {
    return testing::InCage(plan_, support_, act);
  }

  CageSupport support_ = SupportedCage();
  TempDirectory folder_;
  CagePlan plan_ = {.job_directory = folder_ / "job", .readable = {}};
  const fs::path outside_ = folder_ / "outside";
  const fs::path input_ = plan_.job_directory / "model" / "model.safetensors";
  const fs::path scratch_ = plan_.job_directory / "scratch";
};

TEST_F(CageTest, Examples) {
  const auto read_outside = [&] { return Open(outside_, O_RDONLY); };
  EXPECT_EQ(InChild(read_outside), "ok");
  EXPECT_EQ(InCage(read_outside), "EACCES");
  EXPECT_EQ(InCage([&] { return Open(input_, O_RDONLY); }), "ok");
  EXPECT_EQ(InCage([&] { return Open(scratch_ / "result" / "new", O_WRONLY | O_CREAT); }), "ok");
  EXPECT_EQ(InCage([&] { return Moved(scratch_ / "result", plan_.job_directory / "result"); }), "ok");
  EXPECT_TRUE(fs::exists(plan_.job_directory / "result" / "new"));
}

// The rules of every version that a kernel may have, down to the oldest that a cage can do with.
TEST_F(CageTest, HoldsWithEveryVersionOfLandlock) {
  for (int version = 2; version <= std::min(support_.landlock, 7); ++version) {
    SCOPED_TRACE(version);
    support_.landlock = version;
    EXPECT_EQ(InCage([&] { return Open(outside_, O_RDONLY); }), "EACCES");
    EXPECT_EQ(InCage([&] { return Open(input_, O_WRONLY); }), "EACCES");
    EXPECT_EQ(InCage([&] { return Open(scratch_ / "new", O_WRONLY | O_CREAT | O_TRUNC); }), "ok");
    EXPECT_EQ(InCage([&] { return Moved(scratch_ / "new", plan_.job_directory / "error.json"); }), "ok");
  }
}

TEST_F(CageTest, HasNoNetwork) {
  Listener listener;
  const auto connect = [&] { return listener.Connect(); };
  EXPECT_EQ(InChild(connect), "ok");
  EXPECT_EQ(InCage(connect), "EPERM");
  for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET, AF_VSOCK})
    EXPECT_EQ(InCage([&] { return Socket(family); }), "EPERM") << family;
  if (support_.landlock < 4) GTEST_SKIP() << "Landlock does not know TCP before version 4";
  support_.system_calls = false;
  EXPECT_EQ(InCage(connect), "EACCES") << "Landlock alone";
}

TEST_F(CageTest, LeavesAGpuSocketsOfTheMachinesOwn) {
  plan_.gpu = true;
  EXPECT_EQ(InCage([] { return Socket(AF_UNIX); }), "ok");
  for (const int family : {AF_INET, AF_INET6, AF_NETLINK})
    EXPECT_EQ(InCage([&] { return Socket(family); }), "EPERM") << family;
}

TEST_F(CageTest, ReadsNothingThatItHasNoBusinessWith) {
  const std::string parent = "/proc/" + std::to_string(getpid());
  fs::create_symlink(outside_, scratch_ / "link");
  int refused = 0;
  for (const fs::path& path :
       {fs::path("/etc/passwd"), fs::path("/etc/shadow"), fs::path("/proc/self/root/etc/passwd"),
        fs::path(parent + "/environ"), fs::path(parent + "/mem"), scratch_ / "link", folder_.path(),
        fs::path("/dev/shm"), fs::path("/root"), fs::path("/tmp")}) {
    const auto read = [&] { return Open(path, O_RDONLY); };
    if (InChild(read) != "ok") continue;  // not there, or root's
    EXPECT_EQ(InCage(read), "EACCES") << path;
    ++refused;
  }
}

TEST_F(CageTest, WritesNowhereButIntoItsScratchFolder) {
  for (const fs::path& path : {folder_ / "new", plan_.job_directory / "new",
                               plan_.job_directory / "model" / "new", fs::path("/dev/shm/kprune-test-new")})
    EXPECT_EQ(InCage([&] { return Open(path, O_WRONLY | O_CREAT); }), "EACCES") << path;
  EXPECT_EQ(InCage([&] { return Moved(scratch_ / "result", folder_ / "result"); }), "EACCES");
  EXPECT_EQ(InCage([&] { return CameTo(mkdir((folder_ / "new").c_str(), 0700)); }), "EACCES");
  EXPECT_EQ(InCage([&] { return CameTo(unlink(outside_.c_str())); }), "EACCES");
}

// They are links to artifacts that other jobs use.
TEST_F(CageTest, CannotChangeItsInputs) {
  for (const int flags : {O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDONLY | O_TRUNC})
    EXPECT_EQ(InCage([&] { return Open(input_, flags); }), "EACCES") << flags;
  EXPECT_EQ(InCage([&] { return CameTo(truncate(input_.c_str(), 0)); }), "EPERM");
  EXPECT_EQ(InCage([&] { return CameTo(chmod(input_.c_str(), 0777)); }), "EPERM");
  EXPECT_EQ(InCage([&] { return CameTo(link(input_.c_str(), (scratch_ / "mine").c_str())); }), "EXDEV");
  EXPECT_EQ(InCage([&] { return Moved(input_, scratch_ / "mine"); }), "EXDEV");
  std::string text;
  std::ifstream(outside_) >> text;
  EXPECT_EQ(text, "secret");
}

TEST_F(CageTest, ReachesNoOtherProcess) {
  const pid_t parent = getpid();
  char byte = 0;
  const iovec here = {&byte, 1}, there = {&byte, 1};
  EXPECT_EQ(InChild([&] { return CameTo(kill(parent, 0)); }), "ok");
  EXPECT_EQ(InCage([&] { return CameTo(kill(parent, 0)); }), "EPERM");
  EXPECT_EQ(InCage([&] { return CameTo(kill(-1, 0)); }), "EPERM");
  EXPECT_EQ(InCage([&] { return CameTo(kill(0, 0)); }), "EPERM") << "its own process group";
  EXPECT_EQ(InCage([&] { return CameTo(syscall(SYS_tgkill, parent, parent, 0)); }), "EPERM");
  EXPECT_EQ(InCage([&] { return CameTo(ptrace(PTRACE_SEIZE, parent, nullptr, nullptr)); }), "EPERM");
  EXPECT_EQ(InCage([&] { return CameTo(process_vm_readv(parent, &here, 1, &there, 1, 0)); }), "EPERM");
  EXPECT_EQ(InCage([&] { return CameTo(prlimit(parent, RLIMIT_NOFILE, nullptr, nullptr)); }), "EPERM");
  if (support_.landlock < 6) GTEST_SKIP() << "Landlock does not know signals before version 6";
  support_.system_calls = false;
  EXPECT_EQ(InCage([&] { return CameTo(kill(parent, 0)); }), "EPERM") << "Landlock alone";
  EXPECT_EQ(InCage([&] { return CameTo(ptrace(PTRACE_SEIZE, parent, nullptr, nullptr)); }), "EPERM");
}

TEST_F(CageTest, StartsNoProcessAndNoProgramButThreads) {
  EXPECT_EQ(InCage([] { return CameTo(execl("/bin/true", "true", nullptr)); }), "EPERM");
  EXPECT_EQ(InCage([] { return CameTo(raise(0)); }), "ok");
  EXPECT_EQ(InCage([] {
              std::string of_thread;
              std::thread([&] { of_thread = Socket(AF_INET); }).join();
              return of_thread;
            }),
            "EPERM");
#ifndef __SANITIZE_ADDRESS__
  EXPECT_EQ(InCage([] {
              const pid_t child = fork();
              if (child == 0) _exit(0);
              return CameTo(child);
            }),
            "EPERM");
#endif
}

TEST_F(CageTest, CannotTouchTheMachine) {
  const struct {
    const char* name;
    long number;
  } calls[] = {
      {"mount", SYS_mount},   {"unshare", SYS_unshare},         {"setns", SYS_setns},
      {"bpf", SYS_bpf},       {"keyctl", SYS_keyctl},           {"add_key", SYS_add_key},
      {"reboot", SYS_reboot}, {"kexec_load", SYS_kexec_load},   {"io_uring_setup", SYS_io_uring_setup},
      {"swapon", SYS_swapon}, {"userfaultfd", SYS_userfaultfd}, {"perf_event_open", SYS_perf_event_open},
      {"shmget", SYS_shmget}, {"mknodat", SYS_mknodat},         {"open_by_handle_at", SYS_open_by_handle_at},
      {"fchmodat2", 452},     {"symlinkat", SYS_symlinkat},     {"init_module", SYS_init_module}};
  for (const auto& call : calls)
    EXPECT_EQ(InCage([&] { return CameTo(syscall(call.number, 0, 0, 0, 0, 0, 0)); }), "EPERM") << call.name;
  EXPECT_EQ(InCage([] { return CameTo(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }), "EPERM");
}

// A kernel without the one still has the other.
TEST_F(CageTest, EitherFenceStandsAlone) {
  const CageSupport whole = support_;
  support_ = {.system_calls = whole.system_calls, .landlock = 0};
  EXPECT_EQ(InCage([] { return Socket(AF_INET); }), "EPERM");
  EXPECT_EQ(InCage([&] { return Open(outside_, O_RDONLY); }), "ok");
  support_ = {.system_calls = false, .landlock = whole.landlock};
  EXPECT_EQ(InCage([&] { return Open(outside_, O_RDONLY); }), "EACCES");
}

// As a worker does: nothing but itself, and it stays caged.
TEST_F(CageTest, StartsItselfAgainAfterTheFirstHalf) {
  const auto start = [&](const char* program) {
    return InChild([&] {
      if (const absl::Status closed = FencePlaces(plan_, support_); !closed.ok()) return closed.ToString();
      return CameTo(execl(program, program, "--gtest_filter=CageAgainTest.*",
                          "--gtest_also_run_disabled_tests", nullptr));
    });
  };
  EXPECT_EQ(start("/bin/true"), "EACCES");
  setenv("KPRUNE_TEST_OUTSIDE", outside_.c_str(), 1);
  EXPECT_EQ(start("/proc/self/exe"), "") << "its tests failed";
  unsetenv("KPRUNE_TEST_OUTSIDE");
}

// What StartsItselfAgainAfterTheFirstHalf starts.
TEST(CageAgainTest, DISABLED_IsStillCaged) {
  const char* outside = getenv("KPRUNE_TEST_OUTSIDE");
  ASSERT_NE(outside, nullptr);
  EXPECT_EQ(Open(outside, O_RDONLY), "EACCES");
  EXPECT_TRUE(FenceSystemCalls(false, SupportedCage()).ok());
  EXPECT_EQ(CameTo(execl("/proc/self/exe", "again", nullptr)), "EPERM");
  EXPECT_EQ(Socket(AF_INET), "EPERM");
}

TEST(CageSupportTest, WhatIsRequiredAndMissingIsNamed) {
  EXPECT_TRUE(CheckCage("on", {}).ok());
  EXPECT_TRUE(CheckCage("off", {}).ok());
  EXPECT_TRUE(CheckCage("require", {.system_calls = true, .landlock = 2}).ok());
  const absl::Status refused = CheckCage("require", {.system_calls = true, .landlock = 1});
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("lacks Landlock (Linux 5.19 or later, enabled);"));
  EXPECT_EQ(MissingFences({}), "seccomp filters and Landlock (Linux 5.19 or later, enabled)");
}

}  // namespace
}  // namespace kprune::testing
