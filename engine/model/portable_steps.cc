#include "engine/model/portable_steps.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

namespace kprune::portable {
namespace {

// 16-bit types compute in float32.
at::Tensor Widened(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat); }

// While it lives, fused attention on a GPU takes its deterministic backward pass; only warning of others, as
// elsewhere, does not make it.
class StrictlyDeterministic {
 public:
  StrictlyDeterministic() {
    if (before_) at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  }
  ~StrictlyDeterministic() {
    if (before_) at::globalContext().setDeterministicAlgorithms(true, warned_only_);
  }
  StrictlyDeterministic(const StrictlyDeterministic&) = delete;
  StrictlyDeterministic& operator=(const StrictlyDeterministic&) = delete;

 private:
  const bool before_ = at::globalContext().deterministicAlgorithms();
  const bool warned_only_ = at::globalContext().deterministicAlgorithmsWarnOnly();
};

at::Tensor FirstTokens(const Batch& batch) { return batch.offsets_device.narrow(0, 0, batch.size()); }

const char* GeluForm(const std::string& name) { return name == "gelu_new" ? "tanh" : "none"; }

}  // namespace

at::Tensor Activated(const std::string& name, const at::Tensor& h) {
  if (name == "relu") return at::relu(h);
  if (name == "silu") return at::silu(h);
  if (name == "tanh") return at::tanh(h);
  return at::gelu(h, GeluForm(name));
}

at::Tensor PaddedAttention(const at::Tensor& qkv, int64_t heads, const Batch& batch,
                           const AttentionForm& form) {
  const int64_t head_dim = qkv.size(1) / (3 * heads);
  // [N, S, 3, H, h] -> three times [N, H, S, h]
  const at::Tensor split =
      batch.Pad(qkv).view({batch.size(), batch.longest, 3, heads, head_dim}).permute({2, 0, 3, 1, 4});
  at::Tensor context;
  if (form.is_plain()) {
    std::optional<at::Tensor> mask;
    if (batch.padded()) {
      mask = batch.mask_N11S.to(qkv.scalar_type()).expand({batch.size(), 1, batch.longest, batch.longest});
    }
    context = at::scaled_dot_product_attention(split[0], split[1], split[2], mask);
  } else {
    context = form.Attend(Widened(split[0]), Widened(split[1]), Widened(split[2]), batch.mask_N11S)
                  .to(qkv.scalar_type());
  }
  return batch.Unpad(context.transpose(1, 2).reshape({batch.size(), batch.longest, heads * head_dim}));
}

void Activate(const std::string& name, const at::Tensor& h_TU, const at::Tensor& bias_U,
              const at::Tensor& z_TU, const at::Tensor& derivative_TU) {
  const at::Tensor h = Widened(h_TU) + bias_U;
  const at::Tensor z = Activated(name, h);
  if (derivative_TU.defined()) {
    const at::Tensor one = at::ones_like(h);
    if (name == "relu") {
      derivative_TU.copy_(at::threshold_backward(one, h, 0));
    } else if (name == "silu") {
      derivative_TU.copy_(at::silu_backward(one, h));
    } else if (name == "tanh") {
      derivative_TU.copy_(at::tanh_backward(one, z));
    } else {
      derivative_TU.copy_(at::gelu_backward(one, h, GeluForm(name)));
    }
  }
  z_TU.copy_(z);
}

void AddNorm(const at::Tensor& x_Td, const at::Tensor& branch_Td, const at::Tensor& branch_bias_d,
             const LayerNorm& norm, const NormResult& result) {
  result.y_Td.copy_(x_Td + branch_Td + branch_bias_d);
  const auto [out, mean, rstd] =
      at::native_layer_norm(result.y_Td, {norm.weight.size(0)}, norm.weight, norm.bias, norm.eps);
  result.statistics_T2.select(1, 0).copy_(mean.squeeze(1));
  result.statistics_T2.select(1, 1).copy_(rstd.squeeze(1));
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
  const at::Tensor product_TU = Widened(z_TU) * Widened(gradient_TU);
  if (derivative_TU.defined()) gradient_TU.mul_(derivative_TU);
  return at::segment_reduce(product_TU, "sum", /*lengths=*/segments.offsets_device.diff(),
                            /*indices=*/std::nullopt, /*offsets=*/std::nullopt, /*axis=*/0,
                            /*unsafe=*/true);  // unchecked: a check would wait for the device
}

at::Tensor ColumnSquares(const at::Tensor& z_TU) { return Widened(z_TU).square().sum(0); }

at::Tensor HeadGrams(const at::Tensor& z_TU, int64_t heads) {
  const at::Tensor z_HTh = Widened(z_TU).view({z_TU.size(0), heads, z_TU.size(1) / heads}).transpose(0, 1);
  return z_HTh.transpose(1, 2).bmm(z_HTh);
}

void Attend(const at::Tensor& qkv, const at::Tensor& bias, int64_t heads, const Batch& batch,
            const at::Tensor& context_TU, const AttentionForm& form) {
  context_TU.copy_(PaddedAttention((Widened(qkv) + bias).to(qkv.scalar_type()), heads, batch, form));
}

void AttendBackward(const at::Tensor& qkv, const at::Tensor& bias, int64_t heads, const Batch& batch,
                    const at::Tensor& gradient_TU, const at::Tensor& gradient_qkv,
                    const AttentionForm& form) {
  const at::Tensor leaf = (Widened(qkv) + bias).to(qkv.scalar_type()).detach().requires_grad_(true);
  at::Tensor context;
  {
    c10::AutoGradMode grad_mode(true);
    context = PaddedAttention(leaf, heads, batch, form);
  }
  const StrictlyDeterministic strict;
  gradient_qkv.copy_(torch::autograd::grad({context}, {leaf}, {gradient_TU})[0]);
}

void FirstQueryBackward(const at::Tensor& qkv, const at::Tensor& bias, const at::Tensor& weight,
                        int64_t heads, const Batch& batch, const at::Tensor& gradient_NU,
                        const at::Tensor& gradient_Td, const AttentionForm& form) {
  at::Tensor gradient_TU = at::zeros({qkv.size(0), gradient_NU.size(1)}, gradient_NU.options());
  gradient_TU.index_copy_(0, FirstTokens(batch), gradient_NU);
  const at::Tensor gradient_qkv = at::empty_like(qkv);
  portable::AttendBackward(qkv, bias, heads, batch, gradient_TU, gradient_qkv, form);
  gradient_Td.copy_(gradient_qkv.mm(weight));
}

}  // namespace kprune::portable
