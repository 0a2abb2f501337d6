// A model's outputs on a sample set.
#ifndef KPRUNE_ENGINE_EVALUATION_OUTPUTS_H_
#define KPRUNE_ENGINE_EVALUATION_OUTPUTS_H_

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/encoder.h"

namespace kprune {

// Most tokens that are computed at once.
inline constexpr int64_t kEvaluationTokens = 2048;

// Logits or embeddings of every sample, in the samples' order: [samples, C] float32 on the CPU; of token
// tasks [rows, C], sample after sample (OutputRows). The result of one sample does not depend on its
// neighbours beyond rounding.
at::Tensor RunSamples(const Encoder& encoder, absl::Span<const Sample> samples);

// Most values that the outputs of samples may have which are kept to judge with: 256 MiB.
inline constexpr int64_t kMostJudgedOutputs = int64_t{1} << 26;

// The first samples whose outputs together are no more: all but for tasks with as many outputs as the
// vocabulary has tokens.
absl::Span<const Sample> WithinJudgedOutputs(const ModelConfig& config, absl::Span<const Sample> samples);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_OUTPUTS_H_
