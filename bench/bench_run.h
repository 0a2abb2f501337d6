// What kprune-bench does: load or make a model, prune it once, and say what that took.
#ifndef KPRUNE_BENCH_BENCH_RUN_H_
#define KPRUNE_BENCH_BENCH_RUN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "bench/random_model.h"
#include "kprune/options.h"
#include "nlohmann/json.hpp"

namespace kprune {

struct BenchRequest {
  // A Hugging Face folder with its samples and, where accuracy is asked for, labelled samples; empty: a
  // random model.
  std::string model, data, eval;

  // The random model and its samples.
  RandomModelShape shape;
  int64_t random_samples = 512;
  int random_tokens = 32;

  // The engine's; precision is "fp32" or "bf16".
  Options options;

  // Stop after so many sublayers; 0: after the last.
  int sublayers = 0;

  // Seconds for each matrix product that the machine's limit is measured with; 0 leaves the limit out.
  double gemm_seconds = 0.3;
};

// Runs in this process, which has done nothing else: peak memory is the process's. The object's fields are
// described in docs/benchmark.md. Errors name what to change; torch's exceptions are not caught here.
absl::StatusOr<nlohmann::ordered_json> RunBench(const BenchRequest& request);

}  // namespace kprune

#endif  // KPRUNE_BENCH_BENCH_RUN_H_
