// What a process has used so far, from /proc.
#ifndef KPRUNE_SERVER_JOBS_PROCESS_USAGE_H_
#define KPRUNE_SERVER_JOBS_PROCESS_USAGE_H_

#include <cstdint>
#include <optional>

#include "kprune/worker_launcher.h"

namespace kprune {

// Nothing where there is no such process.
std::optional<WorkerUsage> ReadProcessUsage(int64_t pid);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_PROCESS_USAGE_H_
