// One model on one sample set: what `kprune eval` and `kprune compare` say of it.
#ifndef KPRUNE_WORKER_JUDGED_MODEL_H_
#define KPRUNE_WORKER_JUDGED_MODEL_H_

#include <ATen/core/Tensor.h>

#include <optional>

#include "absl/status/statusor.h"
#include "engine/evaluation/metrics.h"
#include "engine/model/encoder.h"
#include "worker/inputs.h"
#include "worker/model_facts.h"

namespace kprune {

struct JudgedModel {
  Encoder encoder;
  SampleSet samples;  // tokenised by this model
  int64_t left_out =
      0;               // samples that are read and come behind them: their outputs would be too large to keep
  at::Tensor outputs;  // [n, C] on the CPU
  std::optional<Metric> metric;
  double sequence_length = 0;  // mean tokens
  double flops = 0;            // a sequence of that length
  ModelFacts facts;
};

// Loads the folder and runs it on the job's data. Errors name the file, field, tensor or line.
absl::StatusOr<JudgedModel> JudgeModel(const std::filesystem::path& folder, const WorkerJob& job);

}  // namespace kprune

#endif  // KPRUNE_WORKER_JUDGED_MODEL_H_
