// Which process a pid means right now, from /proc.
#ifndef KPRUNE_SERVER_JOBS_PROCESS_IDENTITY_H_
#define KPRUNE_SERVER_JOBS_PROCESS_IDENTITY_H_

#include <optional>
#include <string>

#include "kprune/worker_launcher.h"

namespace kprune {

// Nothing where there is no such process. A zombie still is one.
std::optional<ProcessIdentity> ReadProcessIdentity(int64_t pid);

// Names this run of the machine; empty where /proc does not tell.
std::string ReadBootId();

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_PROCESS_IDENTITY_H_
