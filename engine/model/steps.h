// The steps of a sublayer's forward and backward pass that are not matrix products. On a CPU they run on the
// kernels of engine/kernels, shared out among the threads; elsewhere as compositions of ATen
// (portable_steps.h).
//
// Shapes: T tokens of a ragged batch (or the rows that are needed of it), N sequences, d hidden size, U
// features (heads * head_dim, or neurons). Activations have the compute type, float32 or bfloat16; hidden
// states, gradients of hidden states and sums are float32. Matrices are contiguous. Results go to tensors of
// the caller; no step needs autograd, waits for the device or depends on the number of threads. Thread-safe.
#ifndef KPRUNE_ENGINE_MODEL_STEPS_H_
#define KPRUNE_ENGINE_MODEL_STEPS_H_

#include <ATen/core/Tensor.h>

#include <string>

#include "engine/model/attention_form.h"
#include "engine/model/batch.h"

namespace kprune {

// z = activation(h + bias) and, unless `derivative` is undefined, the activation's derivative there. Either
// may be h.
void Activate(const std::string& name, const at::Tensor& h_TU, const at::Tensor& bias_U,
              const at::Tensor& z_TU, const at::Tensor& derivative_TU);

// Gated units: with the blocks a and b of h + bias side by side, z = activation(a) b and, unless
// `derivatives` is undefined, the derivatives of z with respect to a and to b side by side there, which may
// be h.
void ActivateGated(const std::string& name, const at::Tensor& h_T2U, const at::Tensor& bias_2U,
                   const at::Tensor& z_TU, const at::Tensor& derivatives_T2U);

struct LayerNorm {
  at::Tensor weight;  // [d]
  at::Tensor bias;    // [d]
  double eps = 1e-12;

  at::Tensor operator()(const at::Tensor& x) const;
};

// y = x + branch + branch_bias.
void AddBranch(const at::Tensor& x_Td, const at::Tensor& branch_Td, const at::Tensor& branch_bias_d,
               const at::Tensor& y_Td);

// residual = y - x - bias; adds the sum of its squares to `squared_sum`, float64, one element.
void Residual(const at::Tensor& y_Td, const at::Tensor& x_Td, const at::Tensor& bias_d,
              const at::Tensor& residual_Td, const at::Tensor& squared_sum);

struct NormResult {
  at::Tensor y_Td;            // as of AddBranch; may be x
  at::Tensor statistics_T2;   // mean of every row of y, and one over its standard deviation, or undefined
  at::Tensor out_Td;          // LayerNorm(y); may be x or y
  at::Tensor out_element_Td;  // the same in the compute type, or undefined
};

void AddNorm(const at::Tensor& x_Td, const at::Tensor& branch_Td, const at::Tensor& branch_bias_d,
             const LayerNorm& norm, const NormResult& result);

// out = LayerNorm(y), float32; may be y.
void Normalize(const at::Tensor& y_Td, const LayerNorm& norm, const at::Tensor& out_Td);

// The gradient at y, given the gradient at the norm's output: `gradient` plus, unless undefined, `branch`.
// `out` may be `gradient`; `out_element` is the same in the compute type, or undefined.
void NormBackward(const at::Tensor& gradient_Td, const at::Tensor& branch_Td, const LayerNorm& norm,
                  const NormResult& forward, const at::Tensor& out_Td, const at::Tensor& out_element_Td);

// Where each of N segments of rows begins; offsets[N] is the number of rows.
struct Segments {
  absl::Span<const int64_t> offsets;
  at::Tensor offsets_device;  // the same, int64 on the device

  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
};

// The gradient at the blocks of gated units, given that at their features.
void GatedBackward(const at::Tensor& gradient_TU, const at::Tensor& derivatives_T2U,
                   const at::Tensor& gradient_T2U);

// sum over each segment's rows of z * gradient, [N, U]; then, unless `derivative` is undefined, gradient *=
// derivative.
at::Tensor SegmentDot(const at::Tensor& z_TU, const at::Tensor& gradient_TU, const at::Tensor& derivative_TU,
                      const Segments& segments);

// sum over the rows of z^2, [U].
at::Tensor ColumnSquares(const at::Tensor& z_TU);

// Z_i^T Z_i of the columns of every head, [H, head_dim, head_dim].
at::Tensor HeadGrams(const at::Tensor& z_TU, int64_t heads);

// Context vectors [T, U] of query, key and value side by side in qkv + bias [T, 3U]. Here and below, only the
// plain form has kernels of its own.
void Attend(const at::Tensor& qkv, const at::Tensor& bias, int64_t heads, const Batch& batch,
            const at::Tensor& context_TU, const AttentionForm& form = {});

// The gradient at qkv given that at the context vectors [T, U].
void AttendBackward(const at::Tensor& qkv, const at::Tensor& bias, int64_t heads, const Batch& batch,
                    const at::Tensor& gradient_TU, const at::Tensor& gradient_qkv,
                    const AttentionForm& form = {});

// The gradient at x, where qkv = x weight^T with weight [3U, d], given that at the context vectors of the
// first token of every sequence alone, [N, U]: the others' is zero. gradient_Td is float32.
void FirstQueryBackward(const at::Tensor& qkv, const at::Tensor& bias, const at::Tensor& weight,
                        int64_t heads, const Batch& batch, const at::Tensor& gradient_NU,
                        const at::Tensor& gradient_Td, const AttentionForm& form = {});

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_STEPS_H_
