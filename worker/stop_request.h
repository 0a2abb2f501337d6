// When the worker has to end: SIGTERM or SIGINT, or nobody reads its progress any more (the server died).
#ifndef KPRUNE_WORKER_STOP_REQUEST_H_
#define KPRUNE_WORKER_STOP_REQUEST_H_

#include <atomic>

namespace kprune {

// True once the worker shall end.
const std::atomic<bool>& StopRequested();

// Installs the signal handlers, ignores SIGPIPE and, for a descriptor of at least 0, starts a thread that
// watches whether the descriptor (a pipe) still has a reader. A worker without a reader that has not ended by
// itself after five seconds exits with kWorkerCancelled. Call once, before other threads start.
void WatchForStop(int progress_descriptor);

}  // namespace kprune

#endif  // KPRUNE_WORKER_STOP_REQUEST_H_
