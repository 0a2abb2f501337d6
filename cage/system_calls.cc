#include "cage/system_calls.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

// Refused whatever their arguments. Those that an architecture never had are passed over.
constexpr const char* kRefused[] = {
    // programs, and other processes
    "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
    "process_mrelease", "kcmp", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "tkill", "perf_event_open",
    "userfaultfd",
    // what would go around this filter
    "io_uring_setup", "io_uring_enter", "io_uring_register",
    // the machine: mounts, namespaces, kernel code, keys, clocks, accounting
    "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "unshare", "setns", "kexec_load", "kexec_file_load", "init_module",
    "finit_module", "delete_module", "create_module", "bpf", "add_key", "request_key", "keyctl", "reboot",
    "swapon", "swapoff", "syslog", "acct", "quotactl", "quotactl_fd", "settimeofday", "stime",
    "clock_settime", "clock_settime64", "adjtimex", "clock_adjtime", "clock_adjtime64", "iopl", "ioperm",
    "modify_ldt", "personality", "sethostname", "setdomainname", "vhangup", "nfsservctl", "uselib",
    "lookup_dcookie", "_sysctl", "fanotify_init",
    // files: by handle instead of by path, and what Landlock does not look at
    "open_by_handle_at", "name_to_handle_at", "mknod", "mknodat", "symlink", "symlinkat", "chmod", "fchmodat",
    "chown", "chown32", "lchown", "lchown32", "fchown", "fchown32", "fchownat", "setxattr", "lsetxattr",
    "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "truncate", "truncate64", "utime", "utimes",
    "futimesat", "utimensat", "utimensat_time64",
    // memory and queues that processes share by name
    "shmget", "shmat", "msgget", "semget", "mq_open", "mq_unlink"};

// The same of calls that libseccomp 2.5.4 cannot name yet; since 2019 all architectures have the same
// numbers.
constexpr int kRefusedNumbers[] = {
    452,  // fchmodat2
    463,  // setxattrat
    466,  // removexattrat
    467,  // open_tree_attr
    469,  // file_setattr
};

// Their first argument says whom: only this process.
constexpr const char* kOnlyOfThisProcess[] = {"kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"};

constexpr uint64_t kNamespaceFlags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                        CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};

// Adds rules; remembers the first that was refused.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx context) : context_(context) {}

  void Add(int error, int call, std::vector<scmp_arg_cmp> when = {}) {
    if (call == __NR_SCMP_ERROR) return;
    const int result = seccomp_rule_add_array(context_, SCMP_ACT_ERRNO(static_cast<uint32_t>(error)), call,
                                              static_cast<unsigned>(when.size()), when.data());
    if (failure_ == 0) failure_ = result;
  }
  void Refuse(const char* call, std::vector<scmp_arg_cmp> when = {}) {
    Add(EPERM, seccomp_syscall_resolve_name(call), std::move(when));
  }

  // 0, or the negative errno of libseccomp.
  int failure() const { return failure_; }

 private:
  const scmp_filter_ctx context_;
  int failure_ = 0;
};

void AddSockets(bool unix_sockets, Rules& rules) {
  if (unix_sockets) {
    rules.Refuse("socket", {SCMP_A0(SCMP_CMP_NE, AF_UNIX)});
  } else {
    rules.Refuse("socket");
  }
  rules.Refuse("socketpair", {SCMP_A0(SCMP_CMP_NE, AF_UNIX)});
}

// Threads, but no processes. The arguments of clone3 are out of a filter's sight: without it, glibc uses
// clone.
void AddClones(Rules& rules) {
  rules.Add(ENOSYS, SCMP_SYS(clone3));
  for (const uint64_t flag : kNamespaceFlags)
    rules.Refuse("clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)});
#ifndef __SANITIZE_ADDRESS__  // LeakSanitizer looks at the process from another one at its end
  rules.Refuse("clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)});
  rules.Refuse("fork");
  rules.Refuse("vfork");
#endif
}

int AddAll(bool unix_sockets, scmp_filter_ctx context) {
  Rules rules(context);
  for (const char* call : kRefused) rules.Refuse(call);
  for (const int call : kRefusedNumbers) rules.Add(EPERM, call);
  const auto self = static_cast<uint64_t>(getpid());
  for (const char* call : kOnlyOfThisProcess) rules.Refuse(call, {SCMP_A0(SCMP_CMP_NE, self)});
  rules.Refuse("prlimit64", {SCMP_A0(SCMP_CMP_NE, 0)});
  AddSockets(unix_sockets, rules);
  AddClones(rules);
  return rules.failure();
}

}  // namespace

bool SystemCallFilterSupported() {
  const unsigned action = SECCOMP_RET_ERRNO;
  return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

absl::Status FilterSystemCalls(bool unix_sockets) {
  const std::unique_ptr<void, void (*)(void*)> context(seccomp_init(SCMP_ACT_ALLOW), seccomp_release);
  int result = context == nullptr ? -ENOMEM : 0;
  if (result == 0) result = seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  if (result == 0) result = seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  if (result == 0) result = AddAll(unix_sockets, context.get());
  if (result == 0) result = seccomp_load(context.get());
  if (result == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("system calls cannot be filtered: ", std::generic_category().message(-result)));
}

}  // namespace kprune
