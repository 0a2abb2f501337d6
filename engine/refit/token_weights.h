// What every token counts in the Gram matrices and refits of every sublayer.
//
// Shapes: T tokens of a batch, L layers.
#ifndef KPRUNE_ENGINE_REFIT_TOKEN_WEIGHTS_H_
#define KPRUNE_ENGINE_REFIT_TOKEN_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <set>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/model/batch.h"
#include "engine/pruning/execution_plan.h"
#include "engine/pruning/hidden_states.h"

namespace kprune {

// v_i = (1 - share) + share w_i / mean(w), with w_i the token's Fisher (SensitivityAccumulator) and the mean
// over all places of a sublayer: 1 on average, and 1 for tokens that were not measured. With share 0 nothing
// is stored. Not thread-safe; errors are those of HiddenStates.
class TokenWeights {
 public:
  // Of all tokens of a run that `plan` carries out, for 2L sublayers.
  static absl::StatusOr<TokenWeights> Create(int64_t tokens, int num_sublayers, double share,
                                             at::Device device, const ExecutionPlan& plan);

  // w of a batch's tokens, float32 [T, 2L].
  absl::Status Set(const Batch& batch, const at::Tensor& fisher_TS);

  // v of a batch's tokens at place s, one of `places` of a sublayer, float64 [T], once all that are measured
  // are set; undefined where all are 1.
  absl::StatusOr<at::Tensor> Of(int s, absl::Span<const int> places, const Batch& batch) const;

 private:
  TokenWeights() = default;

  double share_ = 0;
  std::unique_ptr<HiddenStates> fisher_;
  at::Tensor sums_;             // [2L] float64
  std::set<int64_t> measured_;  // where the batches that are set begin
  int64_t measured_tokens_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_REFIT_TOKEN_WEIGHTS_H_
