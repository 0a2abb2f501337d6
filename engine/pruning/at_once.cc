#include "engine/pruning/at_once.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <atomic>
#include <vector>

namespace kprune {

absl::Status ForEachAtOnce(absl::Span<const Batch> batches, bool in_groups, int workers,
                           const std::function<bool()>& cancelled, const WorkerStep& step) {
  std::vector<absl::Status> results(workers);
  std::atomic<bool> stop = false;
  const auto work = [&](int worker) -> absl::Status {
    int64_t number = 0;  // of a batch, or of its group
    for (const Batch& batch : batches) {
      if (number % workers == worker) {
        if (stop) return absl::OkStatus();
        if (worker == 0 && cancelled()) return absl::CancelledError("the job was cancelled");
        if (absl::Status status = step(worker, batch); !status.ok()) return status;
      }
      if (!in_groups || batch.closes_group) ++number;
    }
    return absl::OkStatus();
  };
  at::parallel_for(0, workers, 1, [&](int64_t begin, int64_t end) {
    const c10::NoGradGuard no_grad;
    for (int64_t worker = begin; worker < end; ++worker) {
      try {
        results[worker] = work(static_cast<int>(worker));
      } catch (...) {
        stop = true;
        throw;
      }
      if (!results[worker].ok()) stop = true;
    }
  });
  for (const absl::Status& result : results) {
    if (!result.ok()) return result;
  }
  return absl::OkStatus();
}

}  // namespace kprune
