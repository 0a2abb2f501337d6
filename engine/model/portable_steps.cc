#include "engine/model/portable_steps.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/model/determinism.h"

namespace kprune::portable {
namespace {

// 16-bit types compute in float32.
at::ScalarType SumType(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}
at::Tensor Widened(const at::Tensor& x) { return x.to(SumType(x)); }

at::Tensor FirstTokens(const Batch& batch) { return batch.offsets_device.narrow(0, 0, batch.size()); }

// Rows of every segment where all have as many, else 0.
int64_t EvenLength(const Segments& segments) {
  const absl::Span<const int64_t> offsets = segments.offsets;
  if (segments.size() <= 0) return 0;
  const int64_t length = offsets[1];
  for (int64_t n = 1; n < segments.size(); ++n) {
    if (offsets[n + 1] - offsets[n] != length) return 0;
  }
  return length;
}

// Query, key and value side by side [T, 3U] to [3, N, H, S, h], and [N, H, S, h] back to [T, U].
at::Tensor SplitHeads(const at::Tensor& qkv, int64_t heads, const Batch& batch) {
  const int64_t head_dim = qkv.size(1) / (3 * heads);
  return batch.Pad(qkv).view({batch.size(), batch.longest, 3, heads, head_dim}).permute({2, 0, 3, 1, 4});
}
at::Tensor JoinHeads(const at::Tensor& x_NHSh, const Batch& batch) {
  return batch.Unpad(
      x_NHSh.transpose(1, 2).reshape({batch.size(), batch.longest, x_NHSh.size(1) * x_NHSh.size(3)}));
}

at::Tensor PaddedContext(const at::Tensor& q_NHSh, const at::Tensor& k_NHSh, const at::Tensor& v_NHSh,
                         const Batch& batch, const AttentionForm& form) {
  const at::ScalarType type = q_NHSh.scalar_type();
  if (!form.is_plain())
    return form.Attend(Widened(q_NHSh), Widened(k_NHSh), Widened(v_NHSh), batch.mask_N11S).to(type);
  std::optional<at::Tensor> mask;
  if (batch.padded()) mask = batch.mask_N11S.to(type).expand({batch.size(), 1, batch.longest, batch.longest});
  return at::scaled_dot_product_attention(q_NHSh, k_NHSh, v_NHSh, mask);
}

const char* GeluForm(const std::string& name) { return name == "gelu_new" ? "tanh" : "none"; }

}  // namespace

at::Tensor Activated(const std::string& name, const at::Tensor& h) {
  if (name == "relu") return at::relu(h);
  if (name == "silu") return at::silu(h);
  if (name == "tanh") return at::tanh(h);
  return at::gelu(h, GeluForm(name));
}

void ActivateBiased(const std::string& name, const at::Tensor& h_TU, const at::Tensor& z_TU,
                    const at::Tensor& derivative_TU) {
  at::Tensor z = z_TU, derivative = derivative_TU;
  const at::Tensor one = derivative.defined() ? at::ones({}, h_TU.options()).expand_as(h_TU) : at::Tensor();
  if (name == "relu") {
    at::relu_out(z, h_TU);
    if (one.defined()) at::threshold_backward_out(derivative, one, h_TU, 0);
  } else if (name == "silu") {
    at::silu_out(z, h_TU);
    if (one.defined()) at::silu_backward_out(derivative, one, h_TU);
  } else if (name == "tanh") {
    at::tanh_out(z, h_TU);
    if (one.defined()) at::tanh_backward_out(derivative, one, z);
  } else {
    at::gelu_out(z, h_TU, GeluForm(name));
    if (one.defined()) at::gelu_backward_out(derivative, one, h_TU, GeluForm(name));
  }
}

at::Tensor PaddedAttention(const at::Tensor& qkv, int64_t heads, const Batch& batch,
                           const AttentionForm& form) {
  const at::Tensor split = SplitHeads(qkv, heads, batch);
  return JoinHeads(PaddedContext(split[0], split[1], split[2], batch, form), batch);
}

void Activate(const std::string& name, const at::Tensor& h_TU, const at::Tensor& bias_U,
              const at::Tensor& z_TU, const at::Tensor& derivative_TU) {
  at::Tensor h = derivative_TU.defined() ? derivative_TU : z_TU;
  at::add_out(h, h_TU, bias_U);
  ActivateBiased(name, h, z_TU, derivative_TU);
}

void AddBranch(const at::Tensor& x_Td, const at::Tensor& branch_Td, const at::Tensor& branch_bias_d,
               const at::Tensor& y_Td) {
  at::Tensor y = y_Td;
  at::add_out(y, x_Td, branch_Td).add_(branch_bias_d);
}

void Residual(const at::Tensor& y_Td, const at::Tensor& x_Td, const at::Tensor& bias_d,
              const at::Tensor& residual_Td, const at::Tensor& squared_sum) {
  at::Tensor residual = residual_Td, sum = squared_sum;
  residual.copy_(y_Td).sub_(x_Td).sub_(bias_d);
  sum.add_(residual.square().sum(at::kDouble));
}

void AddNorm(const at::Tensor& x_Td, const at::Tensor& branch_Td, const at::Tensor& branch_bias_d,
             const LayerNorm& norm, const NormResult& result) {
  AddBranch(x_Td, branch_Td, branch_bias_d, result.y_Td);
  const auto [out, mean, rstd] =
      at::native_layer_norm(result.y_Td, {norm.weight.size(0)}, norm.weight, norm.bias, norm.eps);
  if (result.statistics_T2.defined()) {
    result.statistics_T2.select(1, 0).copy_(mean.squeeze(1));
    result.statistics_T2.select(1, 1).copy_(rstd.squeeze(1));
  }
  result.out_Td.copy_(out);
  if (result.out_element_Td.defined()) result.out_element_Td.copy_(out);
}

void NormBackward(const at::Tensor& gradient_Td, const at::Tensor& branch_Td, const LayerNorm& norm,
                  const NormResult& forward, const at::Tensor& out_Td, const at::Tensor& out_element_Td) {
  const at::Tensor gradient = branch_Td.defined() ? gradient_Td + branch_Td : gradient_Td;
  const at::Tensor mean = forward.statistics_T2.narrow(1, 0, 1).contiguous();
  const at::Tensor rstd = forward.statistics_T2.narrow(1, 1, 1).contiguous();
  const at::Tensor at_y =
      std::get<0>(at::native_layer_norm_backward(gradient, forward.y_Td, {norm.weight.size(0)}, mean, rstd,
                                                 norm.weight, norm.bias, {true, false, false}));
  out_Td.copy_(at_y);
  if (out_element_Td.defined()) out_element_Td.copy_(at_y);
}

at::Tensor SegmentDot(const at::Tensor& z_TU, const at::Tensor& gradient_TU, const at::Tensor& derivative_TU,
                      const Segments& segments) {
  at::Tensor sums_NU;
  if (const int64_t length = EvenLength(segments); length > 1) {
    const at::Tensor product_NSU = (z_TU * gradient_TU).view({segments.size(), length, z_TU.size(1)});
    sums_NU = product_NSU.sum(1, /*keepdim=*/false, SumType(z_TU));
  } else {
    const at::Tensor product_TU = Widened(z_TU) * gradient_TU;
    sums_NU = at::segment_reduce(product_TU, "sum", /*lengths=*/segments.offsets_device.diff(),
                                 /*indices=*/std::nullopt, /*offsets=*/std::nullopt, /*axis=*/0,
                                 /*unsafe=*/true);  // unchecked: a check would wait for the device
  }
  if (derivative_TU.defined()) gradient_TU.mul_(derivative_TU);
  return sums_NU;
}

at::Tensor ColumnSquares(const at::Tensor& z_TU) {
  return at::linalg_vector_norm(z_TU, 2, {0}, /*keepdim=*/false, SumType(z_TU)).square();
}

at::Tensor HeadGrams(const at::Tensor& z_TU, int64_t heads) {
  const at::Tensor z_HTh = z_TU.view({z_TU.size(0), heads, z_TU.size(1) / heads}).transpose(0, 1);
  if (z_TU.is_cuda() && z_TU.scalar_type() == at::kBFloat16)
    return at::bmm(z_HTh.transpose(1, 2), z_HTh, at::kFloat);
  const at::Tensor wide_HTh = Widened(z_HTh);
  return wide_HTh.transpose(1, 2).bmm(wide_HTh);
}

void Attend(const at::Tensor& qkv, const at::Tensor& bias, int64_t heads, const Batch& batch,
            const at::Tensor& context_TU, const AttentionForm& form) {
  context_TU.copy_(PaddedAttention(qkv + bias, heads, batch, form));
}

void AttendBackward(const at::Tensor& qkv, const at::Tensor& bias, int64_t heads, const Batch& batch,
                    const at::Tensor& gradient_TU, const at::Tensor& gradient_qkv,
                    const AttentionForm& form) {
  // Three leaves: the gradient of one would be put together out of three of its size.
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& part : SplitHeads(qkv + bias, heads, batch).unbind(0))
    leaves.push_back(part.detach().requires_grad_(true));
  at::Tensor context;
  {
    c10::AutoGradMode grad_mode(true);
    context = JoinHeads(PaddedContext(leaves[0], leaves[1], leaves[2], batch, form), batch);
  }
  const Determinism strict(Determinism::kStrict);
  const std::vector<at::Tensor> gradients = torch::autograd::grad({context}, leaves, {gradient_TU});
  const int64_t width = gradient_TU.size(1);
  for (int64_t i = 0; i < 3; ++i)
    gradient_qkv.narrow(1, i * width, width).copy_(JoinHeads(gradients[i], batch));
}

void FirstQueryBackward(const at::Tensor& qkv, const at::Tensor& bias, const at::Tensor& weight,
                        int64_t heads, const Batch& batch, const at::Tensor& gradient_NU,
                        const at::Tensor& gradient_Td, const AttentionForm& form) {
  at::Tensor gradient_TU = at::zeros({qkv.size(0), gradient_NU.size(1)}, gradient_NU.options());
  {
    const Determinism unordered(Determinism::kUnorderedRows);
    gradient_TU.index_copy_(0, FirstTokens(batch), gradient_NU);
  }
  const at::Tensor gradient_qkv = at::empty_like(qkv);
  portable::AttendBackward(qkv, bias, heads, batch, gradient_TU, gradient_qkv, form);
  gradient_Td.copy_(gradient_qkv.mm(weight.to(gradient_qkv.scalar_type())));
}

}  // namespace kprune::portable
