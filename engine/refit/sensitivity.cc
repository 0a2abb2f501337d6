#include "engine/refit/sensitivity.h"

#include <ATen/ATen.h>

#include "engine/model/determinism.h"
#include "engine/model/matrix_product.h"
#include "engine/model/output_rows.h"
#include "engine/pruning/head_gradients.h"
#include "engine/pruning/objective.h"

namespace kprune {

SensitivityAccumulator::SensitivityAccumulator(const Encoder& encoder, double temperature, int64_t max_tokens)
    : encoder_(encoder), temperature_(temperature), tape_(encoder, 0, max_tokens) {
  const int64_t d = encoder.config.hidden_size;
  for (int s = 0; s < encoder.num_sublayers(); ++s)
    sums_.push_back(at::zeros({d, d}, encoder.hidden_options().dtype(at::kDouble)));
}

at::Tensor SensitivityAccumulator::Add(const Batch& batch, const at::Tensor& x_Td, at::Generator& random) {
  const at::Tensor x_Rd = tape_.Forward(batch, x_Td);
  const at::Tensor weights_TS =
      at::zeros({batch.tokens(), encoder_.num_sublayers()}, x_Td.options().dtype(at::kFloat));
  const at::ScalarType compute_type = encoder_.sublayers.front().in.weight.scalar_type();
  const at::Tensor first_tokens = batch.offsets_device.narrow(0, 0, batch.size());
  const auto visit = [&](int s, const at::Tensor& gradient_Td) {
    // float32 within a batch, float64 over batches.
    const at::Tensor factor_Td = gradient_Td.is_cuda() ? gradient_Td.to(compute_type) : gradient_Td;
    sums_[s] += SumsOfProducts(factor_Td.t(), factor_Td);
    const at::Tensor squares = gradient_Td.square().sum(1), column = weights_TS.select(1, s);
    if (squares.size(0) == batch.tokens()) {
      column.add_(squares);
    } else {
      const Determinism unordered(Determinism::kUnorderedRows);
      column.index_add_(0, first_tokens, squares);
    }
  };
  samples_ += batch.num_samples();
  const auto probes = [&](const at::Tensor& output_NC) {
    const Task task = encoder_.config.task;
    return FisherProbes(task, output_NC, temperature_, random, SoftmaxOffsets(task, batch));
  };
  ForEachHeadGradient(encoder_, x_Rd, batch, probes, [&](const at::Tensor& gradient_Rd) {
    tape_.Backward(gradient_Rd, {.outputs = visit});
  });
  return weights_TS;
}

}  // namespace kprune
