// job.json as values (include/kprune/worker_protocol.h describes the file).
#ifndef KPRUNE_WORKER_JOB_FILE_H_
#define KPRUNE_WORKER_JOB_FILE_H_

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kprune/options.h"

namespace kprune {

// Of kind "bench".
struct BenchSettings {
  std::vector<int64_t> batch_sizes = {1, 8, 64};
  std::vector<int64_t> lengths;  // tokens of every sequence; empty: 25 and 50, or those of an image
  int64_t repeats = 11;          // turns that are timed
};

// Of kind "calibrate".
struct CalibrationSettings {
  int64_t batch_size = 1;
  std::vector<int64_t> lengths;  // rising; empty: kUsualLengths, as far as the model takes them
  std::string runtime = "auto";  // or one of kRuntimes; auto is the one that models are most served in
  double seconds = 75;           // of timing, where three passes of each take less
};
inline constexpr std::array<int64_t, 4> kUsualLengths = {16, 32, 64, 128};

struct WorkerJob {
  std::string kind;
  std::string name;  // "jobs/ID" of a server's job; "" of a local run
  std::filesystem::path directory;
  std::filesystem::path model;  // absolute, like all paths here
  std::vector<std::filesystem::path> data;
  std::vector<std::filesystem::path> eval;
  std::vector<std::filesystem::path> others;
  Options options;
  BenchSettings bench;
  CalibrationSettings calibration;
  std::string trace_parent;          // of the call that asked for it; "" where it had none
  std::filesystem::path public_key;  // of kind "verify"; empty: whoever signed

  // Not of job.json, but this worker's own.
  std::string onnxruntime = "auto";   // LoadConfiguredOnnxRuntime
  std::filesystem::path signing_key;  // of the provenance of results; empty: they are not signed
};

// InvalidArgument names the field of job.json.
absl::StatusOr<WorkerJob> ReadJobFile(const std::filesystem::path& directory);

}  // namespace kprune

#endif  // KPRUNE_WORKER_JOB_FILE_H_
