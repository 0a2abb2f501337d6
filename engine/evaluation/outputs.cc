#include "engine/evaluation/outputs.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace kprune {

at::Tensor RunSamples(const Encoder& encoder, absl::Span<const Sample> samples) {
  c10::NoGradGuard no_grad;
  const at::Device device = encoder.device();
  at::Tensor outputs =
      at::empty({static_cast<int64_t>(samples.size()), encoder.config.num_labels}, at::kFloat);
  for (const Batch& batch : MakeBatches(samples, kAnyNumber, "length", device, kEvaluationTokens)) {
    outputs.index_copy_(0, at::tensor(batch.samples, at::kLong), encoder.Run(batch).to(at::kCPU));
  }
  return outputs;
}

}  // namespace kprune
