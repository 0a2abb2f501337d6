// What the attention of some families has beside softmax(Q K^T / sqrt(h)) V.
//
// Shapes: N sequences, H heads, h head size, U = H h features, P places that a token can have in a sequence,
// R rows of a table of relative positions, S tokens of a sequence.
#ifndef KPRUNE_ENGINE_MODEL_ATTENTION_FORM_H_
#define KPRUNE_ENGINE_MODEL_ATTENTION_FORM_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace kprune {

// Every part may be missing; without any it is BERT's. Copies share their tensors. Thread-safe.
//   scores_ij = (q_i k_j + q_i position_key[r] + k_j position_query[r]) / sqrt(h scale_factor) + bias[r]
// with q and k turned by their places where there are rotary angles, r = row_of_distance[j - i + P - 1], and
// -infinity where |i - j| > window.
struct AttentionForm {
  at::Tensor rotary_cos_Ph, rotary_sin_Ph;  // dimensions i and i + h / 2 are turned together (RoFormer)
  int64_t window = 0;                       // 0: all tokens see each other

  at::Tensor row_of_distance;  // [2 P - 1] int64
  at::Tensor bias_RH;          // MPNet, float32

  // DeBERTa (He et al., 2021): what relative positions are as keys and as queries.
  at::Tensor position_key_RU, position_query_RU;
  int scale_factor = 1;
  int64_t head_size = 0;  // h, where there are relative positions

  bool is_plain() const {
    return !rotary_cos_Ph.defined() && window == 0 && !bias_RH.defined() && !position_key_RU.defined() &&
           !position_query_RU.defined() && scale_factor == 1;
  }

  // The same for some of the heads, rising positions, as an int64 tensor, and their features.
  AttentionForm OfHeads(const at::Tensor& heads, const at::Tensor& features) const;

  // Rows r of all pairs of tokens, [S, S].
  at::Tensor Rows(int64_t S) const;

  // Context vectors [N, H, S, h] of queries, keys and values, each [N, H, S, h], in float32 at least; `mask`,
  // added to the scores, may be undefined. Differentiable.
  at::Tensor Attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    const at::Tensor& mask_N11S) const;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_ATTENTION_FORM_H_
