// Knowledge-preserving weight tuning (KPWT, paper section 4.4): the kept units learn to give the uncompressed
// model's output.
//
// Shapes: T tokens of a batch, K kept features of the target sublayer, d hidden size.
#ifndef KPRUNE_ENGINE_PRUNING_WEIGHT_TUNING_H_
#define KPRUNE_ENGINE_PRUNING_WEIGHT_TUNING_H_

#include <ATen/core/Tensor.h>

#include "engine/model/encoder.h"
#include "engine/pruning/gram.h"
#include "engine/pruning/solve.h"

namespace kprune {

// Sums, over batches, the normal equations of W' = argmin || Y_T - X_S - b - Z W'^T ||_F^2 with Z the kept
// features of the target in the student's stream. Not thread-safe.
class TuningAccumulator {
 public:
  using Products = GramAccumulator::Products;

  // `target` has its kept units only; borrowed.
  explicit TuningAccumulator(const Sublayer& target, Products products = Products::kDouble);

  // features_TK: Z; student_Td: X_S, the sublayer's input in the student; teacher_Td: Y_T, the sublayer's
  // output before the norm in the uncompressed model.
  void Add(const at::Tensor& features_TK, const at::Tensor& student_Td, const at::Tensor& teacher_Td);

  NormalEquations Result() const;

 private:
  const Sublayer& target_;
  at::ScalarType type_;  // of residuals
  GramAccumulator equations_;
  at::Tensor target_squared_;  // scalar
};

struct TunedProjection {
  Linear out;         // [d, K], rounded to the checkpoint's type, and the unchanged bias
  Solution solution;  // how it was found; path "empty" where nothing is kept
};

// The fastest products whose sums may do where features are computed so: on a GPU float64 takes little.
GramAccumulator::Products TuningProducts(at::ScalarType compute_type, at::Device device);

// Whether a solution from sums of such products is as good as one from float64: not where errors of 1e-6 in
// the sums could show in it.
bool IsAsGood(const Solution& solution, GramAccumulator::Products products);

// Solves for the output projection of `target`, which has its kept units and their original weights.
TunedProjection TuneOutput(const Sublayer& target, const NormalEquations& equations);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_WEIGHT_TUNING_H_
