// The steps of steps.h as compositions of ATen, for devices without kernels of our own, and the slow twin
// that tests hold the kernels against. Arguments and shapes are those of steps.h.
#ifndef KPRUNE_ENGINE_MODEL_PORTABLE_STEPS_H_
#define KPRUNE_ENGINE_MODEL_PORTABLE_STEPS_H_

#include "engine/model/steps.h"

namespace kprune::portable {

// activation(h), and context vectors [T, U] of query, key and value side by side [T, 3U]; both
// differentiable.
at::Tensor Activated(const std::string& name, const at::Tensor& h);
at::Tensor PaddedAttention(const at::Tensor& qkv, int64_t heads, const Batch& batch,
                           const AttentionForm& form = {});

// Activate of h that has its bias. `derivative` may be h; z may be h where `derivative` is undefined.
void ActivateBiased(const std::string& name, const at::Tensor& h_TU, const at::Tensor& z_TU,
                    const at::Tensor& derivative_TU);

void Activate(const std::string& name, const at::Tensor& h_TU, const at::Tensor& bias_U,
              const at::Tensor& z_TU, const at::Tensor& derivative_TU);
void AddBranch(const at::Tensor& x_Td, const at::Tensor& branch_Td, const at::Tensor& branch_bias_d,
               const at::Tensor& y_Td);
void Residual(const at::Tensor& y_Td, const at::Tensor& x_Td, const at::Tensor& bias_d,
              const at::Tensor& residual_Td, const at::Tensor& squared_sum);
void AddNorm(const at::Tensor& x_Td, const at::Tensor& branch_Td, const at::Tensor& branch_bias_d,
             const LayerNorm& norm, const NormResult& result);
void NormBackward(const at::Tensor& gradient_Td, const at::Tensor& branch_Td, const LayerNorm& norm,
                  const NormResult& forward, const at::Tensor& out_Td, const at::Tensor& out_element_Td);
at::Tensor SegmentDot(const at::Tensor& z_TU, const at::Tensor& gradient_TU, const at::Tensor& derivative_TU,
                      const Segments& segments);
at::Tensor ColumnSquares(const at::Tensor& z_TU);
at::Tensor HeadGrams(const at::Tensor& z_TU, int64_t heads);
void Attend(const at::Tensor& qkv, const at::Tensor& bias, int64_t heads, const Batch& batch,
            const at::Tensor& context_TU, const AttentionForm& form = {});
void AttendBackward(const at::Tensor& qkv, const at::Tensor& bias, int64_t heads, const Batch& batch,
                    const at::Tensor& gradient_TU, const at::Tensor& gradient_qkv,
                    const AttentionForm& form = {});
void FirstQueryBackward(const at::Tensor& qkv, const at::Tensor& bias, const at::Tensor& weight,
                        int64_t heads, const Batch& batch, const at::Tensor& gradient_NU,
                        const at::Tensor& gradient_Td, const AttentionForm& form = {});

}  // namespace kprune::portable

#endif  // KPRUNE_ENGINE_MODEL_PORTABLE_STEPS_H_
