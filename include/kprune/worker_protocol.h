// The contract between kprune-worker and whoever starts it (the server, or `kprune run` on the user's machine).
//
// A job directory holds
//   job.json       what to do (below); written before the worker starts
//   model/ data/ eval/   inputs laid out by the server; a local run names its own folders instead
//   scratch/       temporary files of the worker
//   scratch/checkpoint/   the one of them that outlives the worker: what it needs to go on (below)
//   result/        the outcome; appears by one rename when it is complete
//   end_early      an empty file that whoever started the worker may put there at any time (below)
//   error.json     {"code": "INVALID_ARGUMENT", "message": "..."} when the worker exits with kWorkerFailed
//
// job.json: {"kind": "prune", "model": "model", "data": ["data/samples.jsonl"], "eval": ["eval/dev.jsonl"],
//            "others": ["..."], "options": {...}}
// Paths are relative to the job directory, or absolute in a local run. `options` is kprune.v1.Options in proto3 JSON
// with original field names; unknown keys are refused. `others` are the further folders of kinds "compare" and "bench".
// "name": the job's, such as "jobs/ID", for the result's provenance; a local run has none. "trace_parent": the W3C trace
// that the job belongs to (trace_parent.h); the worker has it as TRACEPARENT of its environment and in its log.
// Kind "verify" may have "public_key": a PEM file; the folder must then be signed with that key.
// Kind "bench" has "bench": {"batch_sizes": [1, 8, 64], "lengths": [25, 50], "repeats": 11}, kind "calibrate" has
// "calibration": {"batch_size": 1, "lengths": [16, 32], "runtime": "auto", "seconds": 75}; every field is optional.
//
// What each kind writes to result/:
//   prune      the pruned model's folder with report.json; of several budgets one such folder for each (layout.h:
//              BudgetFolder) and a report.json that compares them; also provenance.json, which lists every file
//   evaluate   evaluation.json
//   compare    comparison.json
//   bench      bench.json
//   calibrate  latency_table.json
//   verify     verification.json
//   tokenize   tokens.jsonl
//   preflight  preflight.json (kprune.v1.Preflight in proto3 JSON)
//
// Progress: one kprune.v1.Event a line, as proto3 JSON without `sequence`, on the descriptor given by --progress-fd.
// The worker ends by itself (kWorkerCancelled) when that descriptor has no reader any more, and on SIGTERM.
//
// Checkpoint and resume (kind "prune"). After every sublayer the worker makes scratch/checkpoint hold all it needs to go
// on from there; a worker killed at any moment leaves the checkpoint of the last sublayer that was complete, or none. A
// worker that is started in a directory with a checkpoint goes on from it by itself; the pruned model has the same
// bytes as that of a worker that was never interrupted. A checkpoint that is of another job (model, data, options), device or
// build, or damaged, is dropped with a warning event, and the job starts from its first sublayer. Publishing the result
// removes the checkpoint.
//   A job that makes several models, one after the other (several budgets, max_drop), keeps each that is finished in its
// checkpoint, and goes on in the one it was at. Its sublayers' events carry keep_flops.
//   Whoever starts the worker keeps the checkpoint of an attempt that ended without an outcome (a crash, SIGTERM, no
// reader) and puts it at scratch/checkpoint of the next one's job directory, before the worker starts and after every
// earlier worker of the job has gone; nothing else is handed on. It may move the folder anywhere in between, or lose it:
// then the job only takes longer.
//   Events: a sublayer's event is sent after its checkpoint is on disk. A worker that goes on sends the events of the
// sublayers that it takes from the checkpoint again, first and in order, with the very values of the first time (only
// `time` differs), and its first stage event after them has the fraction reached. So the events of any one attempt tell
// of every sublayer; a receiver that keeps the events of all attempts drops those that it has already, and is left with
// each sublayer once. Sublayers that are really computed again (a lost checkpoint) are events of their own.
//
// Ending early (kind "prune"). Once end_early is there, the worker finishes the sublayer it is at, leaves those above as
// they are, and writes the result: a whole model that is larger than was asked for. Its report says so ("ended_early").
// Of several models only those that are finished are in it, unless none is. A worker that has nothing to keep, because
// not one sublayer is finished, in the checkpoint neither, exits with kWorkerCancelled.
#ifndef KPRUNE_WORKER_PROTOCOL_H_
#define KPRUNE_WORKER_PROTOCOL_H_

namespace kprune {

inline constexpr char kJobFile[] = "job.json";
inline constexpr char kErrorFile[] = "error.json";
inline constexpr char kEndEarlyFile[] = "end_early";
inline constexpr char kResultDirectory[] = "result";
inline constexpr char kScratchDirectory[] = "scratch";
inline constexpr char kCheckpointDirectory[] = "checkpoint";  // in scratch/
inline constexpr char kReportFile[] = "report.json";
inline constexpr char kPreflightFile[] = "preflight.json";
inline constexpr char kEvaluationFile[] = "evaluation.json";
inline constexpr char kComparisonFile[] = "comparison.json";
inline constexpr char kBenchFile[] = "bench.json";
inline constexpr char kLatencyTableFile[] = "latency_table.json";
inline constexpr char kVerificationFile[] = "verification.json";
inline constexpr char kTokensFile[] = "tokens.jsonl";

// Exit statuses. Any other status, or a signal, is a crash.
enum WorkerExit : int {
  kWorkerSucceeded = 0,  // result/ is complete
  kWorkerFailed = 1,     // error.json says why; running it again would fail again
  // SIGTERM, nobody reads the progress, or ended early with nothing to keep; it left a checkpoint at most.
  kWorkerCancelled = 2,
  kWorkerUsage = 3,      // the command line is wrong
};

}  // namespace kprune

#endif  // KPRUNE_WORKER_PROTOCOL_H_
