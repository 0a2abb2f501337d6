// Batches that several threads compute at once.
#ifndef KPRUNE_ENGINE_PRUNING_AT_ONCE_H_
#define KPRUNE_ENGINE_PRUNING_AT_ONCE_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/model/batch.h"

namespace kprune {

using WorkerStep = std::function<absl::Status(int worker, const Batch&)>;

// Calls step(worker, batch) for every batch, from `workers` of LibTorch's threads: number 0 is the calling
// one, and what a step calls of LibTorch runs in its own thread alone where there are several. Which worker
// gets a batch depends on the batches alone, so that sums of each worker's, added up in their order, are the
// same every time; with `in_groups`, a group is one worker's. No parameter gets a gradient.
//
// Worker 0 asks `cancelled` before each of its batches. The first error, be it a status or an exception, ends
// all; the lowest worker's is returned.
absl::Status ForEachAtOnce(absl::Span<const Batch> batches, bool in_groups, int workers,
                           const std::function<bool()>& cancelled, const WorkerStep& step);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_AT_ONCE_H_
