// How a job is carried out on this machine: what its result does not depend on by meaning, but by its last
// bits.
#ifndef KPRUNE_ENGINE_PRUNING_EXECUTION_PLAN_H_
#define KPRUNE_ENGINE_PRUNING_EXECUTION_PLAN_H_

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "engine/model/model_config.h"
#include "engine/pruning/hidden_states.h"
#include "kprune/options.h"
#include "kprune/rounding.h"

namespace kprune {

struct ExecutionPlan {
  at::ScalarType compute_type = at::kFloat;  // of the projections: float32 or bfloat16
  int64_t batch_tokens = kCpuBatchTokens;    // most tokens that are computed at once; out of memory halves it
  Place streams = Place::kDevice;            // where the hidden states of all tokens live
  std::string scratch_directory;             // for streams in a file
  Rounding rounding;                         // what the kept units of a sublayer are multiples of

  static constexpr int64_t kCpuBatchTokens = 1024;  // of float32; of bfloat16 twice as many take its memory
  static constexpr int64_t kCudaBatchTokens = 32768;
  static constexpr int64_t kMinBatchTokens = 64;
  // Fewest tokens with which a thread measures a batch of its own.
  static constexpr int64_t kThreadTokens = 512;
  // Sublayers whose units a GPU orders at once: attention and feed-forward in turn, of which the wide ones
  // count.
  static constexpr int64_t kOrderedTogether = 8;
};

// What is known of a job before it runs.
struct Workload {
  int64_t parameters = 0;  // values of the model
  int64_t tokens = 0;      // of all samples, variants included
  int64_t longest = 0;     // tokens of the longest sample
  at::Device device = at::kCPU;
  at::ScalarType compute_type = at::kFloat;
  int64_t image_bytes = 0;      // of pictures that are in memory
  int64_t free_bytes = 0;       // memory of the machine, or of the GPU, that the job may fill; 0: not known
  int64_t host_free_bytes = 0;  // the machine's, where a GPU computes
};

// Chooses the rounding (RoundingFor), and batch_tokens and the place of the streams: as they are fastest
// where memory allows, smaller and further away where options.memory_limit_bytes, which is for the worker's
// resident memory and not for a GPU's, or the machine is short. Without a limit, batch_tokens depends on the
// kind of device alone. RESOURCE_EXHAUSTED, with what is needed, where a limit is given and not even the
// smallest plan fits.
absl::StatusOr<ExecutionPlan> PlanExecution(const ModelConfig& config, const Workload& workload,
                                            const Options& options, const std::string& scratch_directory);

// Batches of batch_tokens / MeasuredAtOnce tokens that are measured at once, each by a thread of its own,
// which waits for no other: as many as LibTorch has threads on a CPU, but 1 where those would be too small to
// be worth it.
int MeasuredAtOnce(at::Device device, int64_t batch_tokens);

// Most bytes of features that are kept of a sublayer between its tuning and the step past it: a quarter of
// what one batch takes while knowledge is measured, which is free by then.
int64_t KeptFeatureBytes(const ModelConfig& config, at::ScalarType compute_type, int64_t batch_tokens);

// Largest size that a job which carries out `plan` reaches, in bytes: on a CPU the worker's resident memory,
// on a GPU the device memory. Evaluation of the result is counted, too.
int64_t PredictPeakMemory(const ModelConfig& config, const Workload& workload, const Options& options,
                          const ExecutionPlan& plan);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_EXECUTION_PLAN_H_
