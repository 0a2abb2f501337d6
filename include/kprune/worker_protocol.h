// The contract between kprune-worker and whoever starts it (the server, or `kprune run` on the user's machine).
//
// A job directory holds
//   job.json       what to do (below); written before the worker starts
//   model/ data/ eval/   inputs laid out by the server; a local run names its own folders instead
//   scratch/       temporary files of the worker
//   result/        the outcome; appears by one rename when it is complete
//   error.json     {"code": "INVALID_ARGUMENT", "message": "..."} when the worker exits with kWorkerFailed
//
// job.json: {"kind": "prune", "model": "model", "data": ["data/samples.jsonl"], "eval": ["eval/dev.jsonl"],
//            "others": ["..."], "options": {...}}
// Paths are relative to the job directory, or absolute in a local run. `options` is kprune.v1.Options in proto3 JSON
// with original field names; unknown keys are refused. `others` are the further folders of kind "compare".
//
// What each kind writes to result/:
//   prune      the pruned model's folder with report.json
//   evaluate   evaluation.json
//   compare    comparison.json
//   verify     verification.json
//   tokenize   tokens.jsonl
//   preflight  preflight.json (kprune.v1.Preflight in proto3 JSON)
//
// Progress: one kprune.v1.Event a line, as proto3 JSON without `sequence`, on the descriptor given by --progress-fd.
// The worker ends by itself (kWorkerCancelled) when that descriptor has no reader any more, and on SIGTERM.
#ifndef KPRUNE_WORKER_PROTOCOL_H_
#define KPRUNE_WORKER_PROTOCOL_H_

namespace kprune {

inline constexpr char kJobFile[] = "job.json";
inline constexpr char kErrorFile[] = "error.json";
inline constexpr char kResultDirectory[] = "result";
inline constexpr char kScratchDirectory[] = "scratch";
inline constexpr char kReportFile[] = "report.json";
inline constexpr char kPreflightFile[] = "preflight.json";
inline constexpr char kEvaluationFile[] = "evaluation.json";
inline constexpr char kComparisonFile[] = "comparison.json";
inline constexpr char kVerificationFile[] = "verification.json";
inline constexpr char kTokensFile[] = "tokens.jsonl";

// Exit statuses. Any other status, or a signal, is a crash.
enum WorkerExit : int {
  kWorkerSucceeded = 0,  // result/ is complete
  kWorkerFailed = 1,     // error.json says why; running it again would fail again
  kWorkerCancelled = 2,  // SIGTERM, or nobody reads the progress; nothing visible was written
  kWorkerUsage = 3,      // the command line is wrong
};

}  // namespace kprune

#endif  // KPRUNE_WORKER_PROTOCOL_H_
