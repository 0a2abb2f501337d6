// The cage of a worker: what a process that reads a stranger's model may still do to the machine it runs on,
// should that model take it over. It has no network, starts no program and no process, reaches no other
// process, and sees of the file system only what it needs (docs/cage.md). Two fences, each enough to stop
// most of it: a filter of system calls (seccomp) and rules of places (Landlock).
#ifndef KPRUNE_CAGE_CAGE_H_
#define KPRUNE_CAGE_CAGE_H_

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace kprune {

// What --cage and --worker-cage accept: none; as far as the kernel has it; whole or not at all.
inline constexpr const char* kCageModes[] = {"off", "on", "require"};

// What this kernel has.
struct CageSupport {
  bool system_calls = false;
  // The version of Landlock's interface; 0: none. The first version cannot move a result to its place, so a
  // cage needs the second (Linux 5.19).
  int landlock = 0;

  bool places() const { return landlock >= 2; }
  bool complete() const { return system_calls && places(); }
};

// Asks the kernel. Thread-safe.
CageSupport SupportedCage();

// What `support` lacks, such as "Landlock (Linux 5.19 or later, enabled)"; empty where it is complete.
std::string MissingFences(const CageSupport& support);

// FAILED_PRECONDITION where `mode` is "require" and `support` is not complete.
absl::Status CheckCage(std::string_view mode, const CageSupport& support);

struct CagePlan {
  // Its scratch folder, which must be there, can be written; beside it, results can only be moved into the
  // directory, so that inputs, which are links to what others use too, cannot be changed.
  std::filesystem::path job_directory;
  // Folders and files that can be read; those that are not there are passed over.
  std::vector<std::filesystem::path> readable;
  // Leaves a GPU's device files and sockets of the machine's own (AF_UNIX), which its driver may want.
  bool gpu = false;
};

// Closes the cage in two halves, each for good; of either, what `support` says that the kernel has. Libraries
// begin threads as they are loaded, and rules of places bind a thread and what it starts: so after the first
// half the program starts itself again, once, and closes the second half then. INTERNAL: it could not be
// closed, and the process must not go on.
absl::Status FencePlaces(const CagePlan& plan, const CageSupport& support);

// All threads; `gpu` as in CagePlan. No program can be started any more.
absl::Status FenceSystemCalls(bool gpu, const CageSupport& support);

}  // namespace kprune

#endif  // KPRUNE_CAGE_CAGE_H_
