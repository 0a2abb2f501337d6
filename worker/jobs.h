// The kinds of jobs, one function each: inputs from the job, the outcome to result/ of the job's directory.
#ifndef KPRUNE_WORKER_JOBS_H_
#define KPRUNE_WORKER_JOBS_H_

#include "absl/status/status.h"
#include "kprune/progress.h"
#include "worker/job_file.h"

namespace kprune {

// All of them: errors name what to change; Cancelled when the observer says so. Nothing is visible in result/
// unless OK.
absl::Status RunPrune(const WorkerJob& job,
                      ProgressObserver& observer);  // the pruned folder with report.json
absl::Status RunPreflight(const WorkerJob& job, ProgressObserver& observer);  // preflight.json
absl::Status RunEvaluate(const WorkerJob& job, ProgressObserver& observer);   // evaluation.json
absl::Status RunCompare(const WorkerJob& job, ProgressObserver& observer);    // comparison.json
absl::Status RunBench(const WorkerJob& job, ProgressObserver& observer);      // bench.json
absl::Status RunCalibrate(const WorkerJob& job, ProgressObserver& observer);  // latency_table.json
absl::Status RunVerify(const WorkerJob& job, ProgressObserver& observer);     // verification.json
absl::Status RunTokenize(const WorkerJob& job, ProgressObserver& observer);   // tokens.jsonl

// Runs the job of its kind. Torch's exceptions are caught here and nowhere else: out of memory becomes
// ResourceExhausted, others Internal.
absl::Status RunJob(const WorkerJob& job, ProgressObserver& observer);

}  // namespace kprune

#endif  // KPRUNE_WORKER_JOBS_H_
