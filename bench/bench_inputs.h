// A model with the samples that prune and judge it, from files.
#ifndef KPRUNE_BENCH_BENCH_INPUTS_H_
#define KPRUNE_BENCH_BENCH_INPUTS_H_

#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/data/samples.h"
#include "engine/model/encoder.h"
#include "kprune/options.h"

namespace kprune {

struct BenchInputs {
  Encoder encoder;
  std::vector<Sample> samples;   // that prune
  std::vector<Sample> held_out;  // of the same file, not among them
  std::vector<Sample> eval;      // labelled
};

// Reads a Hugging Face folder and JSONL files (`eval` may be empty); draws options.samples lines by
// options.seed, and `holdout` times as many to hold out, as jobs do. Errors name the file, field or tensor.
absl::StatusOr<BenchInputs> LoadBenchInputs(const std::string& model, const std::string& data,
                                            const std::string& eval, const Options& options, double holdout,
                                            at::Device device);

}  // namespace kprune

#endif  // KPRUNE_BENCH_BENCH_INPUTS_H_
