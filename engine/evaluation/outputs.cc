#include "engine/evaluation/outputs.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <vector>

#include "engine/model/output_rows.h"

namespace kprune {

at::Tensor RunSamples(const Encoder& encoder, absl::Span<const Sample> samples) {
  c10::NoGradGuard no_grad;
  const at::Device device = encoder.device();
  const std::vector<int64_t> offsets = RowOffsets(encoder.config.task, samples);
  at::Tensor outputs = at::empty({offsets.back(), encoder.config.num_labels}, at::kFloat);
  for (const Batch& batch : MakeBatches(samples, kAnyNumber, "length", device, kEvaluationTokens)) {
    outputs.index_copy_(0, RowsOfBatch(offsets, batch), encoder.Run(batch).to(at::kCPU));
  }
  return outputs;
}

absl::Span<const Sample> WithinJudgedOutputs(const ModelConfig& config, absl::Span<const Sample> samples) {
  if (config.task != Task::kMaskedLm) return samples;
  int64_t values = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    values += OutputRows(config.task, samples[i]) * config.num_labels;
    if (values > kMostJudgedOutputs) return samples.subspan(0, std::max<size_t>(1, i));
  }
  return samples;
}

}  // namespace kprune
