// A pruning job as plain values: what a client asked for, what became of it, and its events. The wire form is
// kprune.v1.Job; the conversion lives in server/rpc.
#ifndef KPRUNE_JOB_H_
#define KPRUNE_JOB_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "kprune/caller.h"

namespace kprune {

enum class JobState { kQueued, kRunning, kRetryWait, kSucceeded, kFailed, kCancelled };

inline constexpr std::array kJobStates = {JobState::kQueued,    JobState::kRunning, JobState::kRetryWait,
                                          JobState::kSucceeded, JobState::kFailed,  JobState::kCancelled};

// The wire name, e.g. "RETRY_WAIT"; also what databases and metrics use.
constexpr std::string_view JobStateName(JobState state) {
  switch (state) {
    case JobState::kQueued:
      return "QUEUED";
    case JobState::kRunning:
      return "RUNNING";
    case JobState::kRetryWait:
      return "RETRY_WAIT";
    case JobState::kSucceeded:
      return "SUCCEEDED";
    case JobState::kFailed:
      return "FAILED";
    case JobState::kCancelled:
      return "CANCELLED";
  }
  return "UNKNOWN";
}

// Nothing happens to a finished job any more, unless it is retried or deleted.
constexpr bool IsFinished(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFailed || state == JobState::kCancelled;
}

// One file of a model, a data set or a result; its bytes are the artifact `sha256`.
struct FileEntry {
  std::string name;
  std::string sha256;
  int64_t size_bytes = 0;

  bool operator==(const FileEntry&) const = default;
};

using Manifest = std::vector<FileEntry>;

// Why a job failed: a canonical code name ("INVALID_ARGUMENT") and one sentence. Empty code: no error.
struct JobError {
  std::string code;
  std::string message;

  bool operator==(const JobError&) const = default;
};

// What a client asks for.
struct JobInput {
  // As asked, it has either `model` or `model_uri`. Once what the URI names has been fetched, `model` says
  // which bytes that were, and nothing asks the URI again.
  Manifest model;
  std::string model_uri;
  Manifest data;
  Manifest eval;
  // kprune.v1.Options in proto3 JSON with original field names.
  std::string options_json = "{}";
  // Where it must run: "auto" (anywhere), "cpu" or "cuda:N"; the `device` of the options.
  std::string device = "auto";
  // Of the tenant's jobs that wait the greatest runs first.
  int priority = 0;
  // Of the call that asked first (trace_parent.h), for the logs; empty: it had none.
  std::string trace_parent;

  bool operator==(const JobInput&) const = default;
};

// What was asked for, without what was fetched since and how it was asked: two requests with the same body
// have the same.
inline JobInput AsAsked(JobInput input) {
  input.trace_parent.clear();
  if (!input.model_uri.empty()) input.model.clear();
  return input;
}

struct NewJob {
  JobInput input;
  // Makes creation idempotent within the tenant where it is not empty.
  std::string request_id;
  // kprune.v1.Preflight in proto3 JSON; empty when there was none.
  std::string preflight_json;
  // Whose job it is, and whose artifacts its files are.
  std::string tenant = kDefaultTenant;
};

struct JobRecord {
  // Letters and digits only, so it may stand in a path.
  std::string id;
  std::string tenant = kDefaultTenant;
  JobInput input;
  std::string request_id;
  std::string preflight_json;

  JobState state = JobState::kQueued;
  // Times a worker was started for this job.
  int attempt = 0;
  // Workers that crashed since the job was created or retried.
  int crashes = 0;
  // Rises with every claim, cancellation and retry; who holds an older one has lost the job.
  int64_t lease_epoch = 0;
  // The job is to end as CANCELLED with what is finished of it. Never set of a finished job.
  bool ending_early = false;
  // Set when FAILED; on RETRY_WAIT, why the last attempt ended.
  JobError error;
  // Share of the work done, 0 to 1.
  double progress = 0;
  // The outcome, when SUCCEEDED; when CANCELLED early, what was finished, where there was anything.
  Manifest result;

  absl::Time create_time;
  std::optional<absl::Time> start_time;  // of the current or last attempt
  std::optional<absl::Time> end_time;    // set exactly when the state is a finished one
};

// One step of a job. `payload_json` is kprune.v1.Event in proto3 JSON without `sequence` and `time`.
struct JobEvent {
  int64_t sequence = 0;  // 1, 2, 3, ... within one job
  absl::Time time;
  std::string payload_json;
};

}  // namespace kprune

#endif  // KPRUNE_JOB_H_
