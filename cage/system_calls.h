// Which system calls a caged worker may not make. What is refused fails with EPERM, as if the user lacked the
// right to, so that libraries that only try go on; a call in another architecture's convention kills.
#ifndef KPRUNE_CAGE_SYSTEM_CALLS_H_
#define KPRUNE_CAGE_SYSTEM_CALLS_H_

#include "absl/status/status.h"

namespace kprune {

// Whether this kernel filters system calls.
bool SystemCallFilterSupported();

// Filters those of all threads of this process, for good. `unix_sockets`: leaves sockets of family AF_UNIX.
// Needs no_new_privs. INTERNAL: the filter was refused.
absl::Status FilterSystemCalls(bool unix_sockets);

}  // namespace kprune

#endif  // KPRUNE_CAGE_SYSTEM_CALLS_H_
