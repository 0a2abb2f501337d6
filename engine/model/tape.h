// One forward pass over the upper sublayers of an encoder that remembers what the backward pass needs, and
// backward passes that give the gradient at every mask. Written out by hand: no parameter gets a gradient,
// what the head cannot see is not computed, and all memory is taken once.
//
// Shapes: T tokens of a batch, N sequences, d hidden size, U features of a sublayer, R rows that the head
// reads: the first tokens (R = N) or all (R = T).
#ifndef KPRUNE_ENGINE_MODEL_TAPE_H_
#define KPRUNE_ENGINE_MODEL_TAPE_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "engine/model/batch.h"
#include "engine/model/encoder.h"
#include "engine/model/matrix_product.h"
#include "engine/model/steps.h"

namespace kprune {

// What the passes multiply by in one sublayer: its projections, and on the way down the same transposed.
struct PassFactors {
  Factor in, out, in_backward, out_backward;
};

// Of sublayers first .. 2L - 1, `packed` once or in every product.
std::vector<PassFactors> PassFactorsOf(const Encoder& encoder, int first, bool packed);

// Where the head reads first tokens alone, the last sublayer's output and the last attention's output
// gradient exist for those only. Features exist for all tokens. Not thread-safe.
class Tape {
 public:
  // For sublayers first .. 2L - 1 of `encoder`, which is borrowed, and batches of at most `max_tokens`
  // tokens. `factors`: its PassFactorsOf, which several tapes may share.
  Tape(const Encoder& encoder, int first, int64_t max_tokens, std::vector<PassFactors> factors);
  Tape(const Encoder& encoder, int first, int64_t max_tokens)
      : Tape(encoder, first, max_tokens, PassFactorsOf(encoder, first, /*packed=*/false)) {}

  // Runs from the input of sublayer `first`; returns what the head reads, valid until the next call. With
  // `squares`, it also sums up feature_squares.
  at::Tensor Forward(const Batch& batch, const at::Tensor& x_Td, bool squares = false);  // [R, d]

  // z of sublayer s in the last forward pass; a view.
  at::Tensor features(int s) const;  // [T, U]

  // The sum of z^2 over the tokens of the last forward pass, of a feed-forward sublayer s, float32.
  const at::Tensor& feature_squares(int s) const { return saved_[s - first_].squares; }  // [U]

  // What a backward pass tells of every sublayer s, from the top down to `first`; either may be empty.
  struct Visitor {
    // Of sublayers with units: m[n, u] = sum over the tokens of sequence n of z * dscalar/dz, float32.
    std::function<void(int s, const at::Tensor& m_NU)> masks;
    // The gradient at the output before the norm, float32: of all tokens, or where only those of first tokens
    // are not zero, of these [N, d]. A view that is valid during the call.
    std::function<void(int s, const at::Tensor& gradient_Td)> outputs;
  };

  // Given the gradient of a scalar at what Forward returned, visits the sublayers. May be called any number
  // of times after a forward pass.
  void Backward(const at::Tensor& gradient_Rd, const Visitor& visitor);

  // Bytes that the constructor takes for each token of `max_tokens` when nothing of `config` is pruned from
  // the bottom.
  static int64_t BytesPerToken(const ModelConfig& config, at::ScalarType compute_type);

 private:
  // What one sublayer remembers; buffers for max_tokens rows, allocated once.
  struct Saved {
    at::Tensor
        projected;  // attention: [., 3U]; feed-forward: the activation's derivative [., U], gated [., 2U]
    at::Tensor features;    // [., U]
    at::Tensor squares;     // [U] float32, of feed-forward; undefined: not wanted
    at::Tensor pre_norm;    // y [., d] float32
    at::Tensor statistics;  // [., 2] float32, of the norm that takes y: its own or, pre-LN, the next one's
  };

  // Whether the head reads no more than first tokens of sublayer s's output.
  bool first_tokens_only(int s) const;
  // What the first sublayer's input projection multiplies.
  at::Tensor FirstInput(const at::Tensor& x_Td);
  void ForwardFeatures(int s, const at::Tensor& x_Td, const at::Tensor& squares);
  NormResult PreNorm(int s, int64_t rows) const;
  NormResult PreNormOfGradient(int s) const;
  at::Tensor FeatureGradient(int s, const at::Tensor& gradient_Rd);
  Segments GradientSegments(int s) const;
  // The gradient at the input of sublayer s: the sum of gradient_ (through the residual connection) and what
  // is returned, if anything.
  at::Tensor GradientAtInput(int s, const at::Tensor& features_gradient);
  at::Tensor LastAttentionGradient(const at::Tensor& features_gradient_NU);
  // The same at the hidden states in front of a norm of the input, given `branch` behind it.
  at::Tensor ThroughInputNorm(int s, const at::Tensor& gradient_Rd, const at::Tensor& branch);

  const Encoder& encoder_;
  const int first_;
  const int last_;
  const bool norm_first_;
  const at::ScalarType type_;
  const std::vector<PassFactors> factors_;              // of sublayers first ..
  std::vector<Saved> saved_;                            // of sublayers first ..
  at::Tensor first_features_NU_, first_derivative_NU_;  // of the last sublayer, where first tokens are enough
  at::Tensor x_Td_, x_element_Td_;                      // hidden states on the way up
  at::Tensor gradient_Td_, gradient_element_Td_;        // at hidden states on the way down
  at::Tensor branch_Td_;  // what a projection gives, or the gradient at its input
  at::Tensor feature_gradient_, projection_gradient_;  // flat: at features; at query, key and value
  const Batch* batch_ = nullptr;
  at::Tensor last_attention_in_;  // its input projection in float32, where only first tokens ask
  std::vector<int64_t> ones_;     // 0, 1, 2 ..: offsets of segments of one row each
  at::Tensor ones_device_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_TAPE_H_
