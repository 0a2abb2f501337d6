// How much the model's output cares about a change of a sublayer's output (design: refit-aware search).
//
// Shapes: T tokens of a batch, d hidden size, L layers.
#ifndef KPRUNE_ENGINE_REFIT_SENSITIVITY_H_
#define KPRUNE_ENGINE_REFIT_SENSITIVITY_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/model/batch.h"
#include "engine/model/encoder.h"
#include "engine/model/tape.h"

namespace kprune {

// Sums, over batches, the Fisher information of the output y of every sublayer before its norm: with g the
// gradient at a token's y of the scalars of FisherProbes,
//   H_s = 1/|D| sum over samples and tokens of g g^T   [d, d]
//   w_i = sum over the scalars of |g_i|^2              a token's weight, for every sublayer
// One forward pass and one backward pass a scalar. Not thread-safe.
class SensitivityAccumulator {
 public:
  // `encoder` is borrowed and must not change while batches, of at most `max_tokens` tokens each, are added.
  SensitivityAccumulator(const Encoder& encoder, double temperature, int64_t max_tokens);

  // x_Td: hidden states at the input of the first sublayer. Returns w, float32 [T, 2L]. `random` decides
  // sampled scalars.
  at::Tensor Add(const Batch& batch, const at::Tensor& x_Td, at::Generator& random);

  // H_s, float64.
  at::Tensor Fisher(int s) const { return sums_[s] / static_cast<double>(samples_); }

 private:
  const Encoder& encoder_;
  const double temperature_;
  Tape tape_;
  std::vector<at::Tensor> sums_;
  int64_t samples_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_REFIT_SENSITIVITY_H_
