#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <exception>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/pruning/out_of_memory.h"
#include "kprune/worker_protocol.h"
#include "worker/jobs.h"
#include "worker/processors.h"

namespace kprune {
namespace {

constexpr struct {
  const char* kind;
  absl::Status (*run)(const WorkerJob&, ProgressObserver&);
} kKinds[] = {
    {"prune", RunPrune}, {"preflight", RunPreflight}, {"evaluate", RunEvaluate}, {"compare", RunCompare},
    {"bench", RunBench}, {"calibrate", RunCalibrate}, {"verify", RunVerify},     {"tokenize", RunTokenize},
};

absl::Status RunKind(const WorkerJob& job, ProgressObserver& observer) {
  std::vector<std::string> kinds;
  for (const auto& [kind, run] : kKinds) {
    if (job.kind == kind) return run(job, observer);
    kinds.push_back(kind);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("job.json: \"kind\" is \"", job.kind, "\"; accepted are ", absl::StrJoin(kinds, ", ")));
}

}  // namespace

absl::Status RunJob(const WorkerJob& job, ProgressObserver& observer) {
  at::set_num_threads(job.options.threads > 0 ? job.options.threads : AvailableProcessors());
  try {
    return RunKind(job, observer);
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(
        "the device is out of memory; set memory_limit_bytes, use fewer samples or a shorter max_length");
  } catch (const std::exception& error) {
    if (IsOutOfMemory(error)) {
      return absl::ResourceExhaustedError(
          "out of memory; set memory_limit_bytes, use fewer samples or a shorter max_length");
    }
    if (const auto* const torch = dynamic_cast<const c10::Error*>(&error))
      return absl::InternalError(absl::StrCat("LibTorch failed: ", torch->what_without_backtrace()));
    return absl::InternalError(absl::StrCat("unexpected failure: ", error.what()));
  }
}

}  // namespace kprune
