#include "engine/model/tape.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/model/determinism.h"

namespace kprune {
namespace {

// The first rows of a buffer.
at::Tensor Rows(const at::Tensor& buffer, int64_t rows) {
  return buffer.defined() ? buffer.narrow(0, 0, rows) : buffer;
}

// A matrix in a flat buffer.
at::Tensor Matrix(const at::Tensor& flat, int64_t rows, int64_t columns) {
  return flat.narrow(0, 0, rows * columns).view({rows, columns});
}

}  // namespace

std::vector<PassFactors> PassFactorsOf(const Encoder& encoder, int first, bool packed) {
  std::vector<PassFactors> result;
  const auto factor = [packed](const at::Tensor& b) { return packed ? Factor::Packed(b) : Factor(b); };
  for (int s = first; s < encoder.num_sublayers(); ++s) {
    const at::Tensor &in = encoder.sublayers[s].in.weight, &out = encoder.sublayers[s].out.weight;
    result.push_back({factor(in.t()), factor(out.t()), s > first ? factor(in) : Factor(in), factor(out)});
  }
  return result;
}

Tape::Tape(const Encoder& encoder, int first, int64_t max_tokens, std::vector<PassFactors> factors)
    : encoder_(encoder),
      first_(first),
      last_(encoder.num_sublayers() - 1),
      norm_first_(encoder.sublayers[first].norm_first),
      type_(encoder.sublayers[first].in.weight.scalar_type()),
      factors_(std::move(factors)) {
  const int64_t d = encoder.config.hidden_size;
  const at::TensorOptions wide = encoder.hidden_options();
  const at::TensorOptions element = wide.dtype(type_);
  int64_t features = 0, projections = 0;
  for (int s = first; s <= last_; ++s) {
    const Sublayer& sublayer = encoder.sublayers[s];
    const int64_t width = sublayer.num_features(), projected = width * sublayer.in_blocks();
    saved_.push_back({at::empty({max_tokens, projected}, element), at::zeros({max_tokens, width}, element),
                      at::Tensor(), at::empty({max_tokens, d}, wide), at::empty({max_tokens, 2}, wide)});
    features = std::max(features, width);
    if (sublayer.in_blocks() > 1) projections = std::max(projections, projected);
  }
  x_Td_ = at::empty({max_tokens, d}, wide);
  gradient_Td_ = at::empty({max_tokens, d}, wide);
  branch_Td_ = at::empty({max_tokens, d}, element);
  if (element.dtype() != wide.dtype()) {
    x_element_Td_ = at::empty({max_tokens, d}, element);
    gradient_element_Td_ = at::empty({max_tokens, d}, element);
  }
  if (encoder.reads_first_tokens() && first < last_ - 1)
    last_attention_in_ = encoder.sublayers[last_ - 1].in.weight.to(wide);
  feature_gradient_ = at::empty({max_tokens * features}, element);
  projection_gradient_ = at::empty({max_tokens * projections}, element);
}

int64_t Tape::BytesPerToken(const ModelConfig& config, at::ScalarType compute_type) {
  const int64_t element = static_cast<int64_t>(c10::elementSize(compute_type)), d = config.hidden_size;
  int64_t bytes = 0, widest = 0, widest_projection = 0;
  for (const auto& heads : config.heads) {
    const int64_t features = static_cast<int64_t>(heads.size()) * config.head_dim;
    bytes += 4 * features * element + (d + 2) * 4;
    widest = std::max(widest, features);
    widest_projection = std::max(widest_projection, 3 * features);
  }
  for (const auto& neurons : config.neurons) {
    const int64_t features = static_cast<int64_t>(neurons.size());
    bytes += (config.gated() ? 3 : 2) * features * element + (d + 2) * 4;
    widest = std::max(widest, features);
    if (config.gated()) widest_projection = std::max(widest_projection, 2 * features);
  }
  const int64_t copies = element == 4 ? 0 : 2 * d * element;
  return bytes + 2 * d * 4 + d * element + copies + (widest + widest_projection) * element;
}

bool Tape::first_tokens_only(int s) const { return s == last_ && encoder_.reads_first_tokens(); }

at::Tensor Tape::Forward(const Batch& batch, const at::Tensor& x_Td, bool squares) {
  batch_ = &batch;
  if (encoder_.reads_first_tokens() && static_cast<int64_t>(ones_.size()) != batch.size() + 1) {
    ones_.resize(batch.size() + 1);
    std::iota(ones_.begin(), ones_.end(), int64_t{0});
    ones_device_ = at::arange(batch.size() + 1, batch.offsets_device.options());
  }
  at::Tensor x = x_Td, element = FirstInput(x_Td);
  if (!norm_first_ && !x_element_Td_.defined()) x = element;
  for (int s = first_; s <= last_; ++s) {
    at::Tensor& of_features = saved_[s - first_].squares;
    of_features = squares && encoder_.sublayers[s].kind == SublayerKind::kFeedForward
                      ? at::zeros({features(s).size(1)}, x_Td_.options())
                      : at::Tensor();
    ForwardFeatures(s, element, of_features);
    at::Tensor z = features(s);
    if (first_tokens_only(s)) {
      x = FirstTokens(x, batch);
      z = first_features_NU_;
    }
    const NormResult norm = PreNorm(s, x.size(0));
    const at::Tensor branch = Rows(branch_Td_, x.size(0));
    const Linear& out = encoder_.sublayers[s].out;
    if (out.weight.size(1) == 0) {
      branch.zero_();
    } else {
      MatrixProduct(z, factors_[s - first_].out, branch);
    }
    if (norm_first_ && s == last_) return norm.y_Td.copy_(x + out.bias).add_(branch);
    AddNorm(x, branch, out.bias, encoder_.sublayers[norm_first_ ? s + 1 : s].norm, norm);
    x = norm_first_ ? norm.y_Td : norm.out_Td;
    element = norm.out_element_Td.defined() ? norm.out_element_Td : norm.out_Td;
  }
  return x;
}

at::Tensor Tape::FirstInput(const at::Tensor& x_Td) {
  const at::Tensor& buffer = x_element_Td_.defined() ? x_element_Td_ : x_Td_;
  return Rows(buffer, x_Td.size(0)).copy_(encoder_.Input(first_, x_Td));
}

void Tape::ForwardFeatures(int s, const at::Tensor& x_Td, const at::Tensor& squares) {
  const Sublayer& sublayer = encoder_.sublayers[s];
  const at::Tensor z = features(s), projected = Rows(saved_[s - first_].projected, z.size(0));
  const bool first_only = first_tokens_only(s);
  if (sublayer.num_units() == 0) {
    if (first_only) first_features_NU_ = FirstTokens(z, *batch_);
    return;
  }
  const Factor& weight = factors_[s - first_].in;
  const at::Tensor& bias = sublayer.in.bias;
  if (sublayer.kind == SublayerKind::kAttention) {
    MatrixProduct(x_Td, weight, projected);
    Attend(projected, bias, sublayer.num_units(), *batch_, z, sublayer.attention());
  } else if (sublayer.gated) {
    MatrixProduct(x_Td, weight, projected);
    ActivateGated(encoder_.config.activation, projected, bias, z, projected);
    if (squares.defined()) squares.copy_(ColumnSquares(z));
    if (!first_only) return;
    first_features_NU_ = FirstTokens(z, *batch_);
    first_derivative_NU_ = FirstTokens(projected, *batch_);
  } else if (!first_only) {
    // No gradient goes through the first sublayer's activation.
    ActivatedProduct(encoder_.config.activation, x_Td, weight, bias, z,
                     /*derivative=*/s > first_ ? projected : at::Tensor(), squares);
  } else {
    ActivatedProduct(encoder_.config.activation, x_Td, weight, bias, z, /*derivative=*/at::Tensor(), squares);
    first_features_NU_ = FirstTokens(z, *batch_);
    first_derivative_NU_ = at::empty({batch_->size(), z.size(1)}, z.options());
    ActivatedProduct(encoder_.config.activation, FirstTokens(x_Td, *batch_), weight, bias,
                     at::empty_like(first_derivative_NU_), first_derivative_NU_);
  }
}

at::Tensor Tape::features(int s) const { return Rows(saved_[s - first_].features, batch_->tokens()); }

NormResult Tape::PreNorm(int s, int64_t rows) const {
  const Saved& saved = saved_[s - first_];
  return {Rows(saved.pre_norm, rows), Rows(saved.statistics, rows), Rows(x_Td_, rows),
          Rows(x_element_Td_, rows)};
}

// Of the rows whose gradient is not zero: first tokens alone in the last layer, if the head reads no more.
NormResult Tape::PreNormOfGradient(int s) const {
  if (!encoder_.reads_first_tokens() || s < last_ - 1) return PreNorm(s, batch_->tokens());
  if (s == last_) return PreNorm(s, batch_->size());
  const NormResult all = PreNorm(s, batch_->tokens());
  return {FirstTokens(all.y_Td, *batch_), FirstTokens(all.statistics_T2, *batch_), {}, {}};
}

Segments Tape::GradientSegments(int s) const {
  if (encoder_.reads_first_tokens() && s >= last_ - 1) return {ones_, ones_device_};
  return {batch_->offsets, batch_->offsets_device};
}

void Tape::Backward(const at::Tensor& gradient_Rd, const Visitor& visitor) {
  at::Tensor gradient = gradient_Rd.contiguous(), branch;
  for (int s = last_; s >= first_; --s) {
    const Sublayer& sublayer = encoder_.sublayers[s];
    const at::Tensor out = Rows(gradient_Td_, gradient.size(0));
    const at::Tensor out_element = Rows(gradient_element_Td_, gradient.size(0));
    if (norm_first_) {
      out.copy_(gradient);
      if (out_element.defined()) out_element.copy_(out);
    } else {
      NormBackward(gradient, branch, sublayer.norm, PreNormOfGradient(s), out, out_element);
    }
    gradient = out;
    if (visitor.outputs) visitor.outputs(s, out);
    if (s == first_ && !visitor.masks) return;
    at::Tensor feature_gradient;
    if (sublayer.num_units() > 0) {
      feature_gradient = FeatureGradient(s, out_element.defined() ? out_element : out);
      const bool feed_forward = sublayer.kind == SublayerKind::kFeedForward;
      const bool first_only = feature_gradient.size(0) != batch_->tokens() || first_tokens_only(s);
      const at::Tensor z = first_tokens_only(s) ? first_features_NU_
                           : first_only         ? FirstTokens(features(s), *batch_)
                                                : features(s);
      at::Tensor derivative;
      if (feed_forward && s > first_) {
        derivative =
            first_tokens_only(s) ? first_derivative_NU_ : Rows(saved_[s - first_].projected, z.size(0));
      }
      // The gradient goes on through the activation in any case.
      if (visitor.masks || derivative.defined()) {
        const at::Tensor m_NU =
            SegmentDot(z, feature_gradient, sublayer.gated ? at::Tensor() : derivative, GradientSegments(s));
        if (visitor.masks) visitor.masks(s, m_NU);
      }
    }
    if (s == first_) return;
    branch = GradientAtInput(s, feature_gradient);
    gradient =
        Rows(gradient_Td_, s == last_ && encoder_.reads_first_tokens() ? batch_->size() : batch_->tokens());
    if (norm_first_ && branch.defined()) gradient = ThroughInputNorm(s, gradient, branch);
  }
}

at::Tensor Tape::FeatureGradient(int s, const at::Tensor& gradient_Rd) {
  const Sublayer& sublayer = encoder_.sublayers[s];
  const at::Tensor result = Matrix(feature_gradient_, gradient_Rd.size(0), sublayer.num_features());
  MatrixProduct(gradient_Rd, factors_[s - first_].out_backward, result);
  return result;
}

at::Tensor Tape::GradientAtInput(int s, const at::Tensor& feature_gradient) {
  const Sublayer& sublayer = encoder_.sublayers[s];
  if (encoder_.reads_first_tokens() && s == last_ - 1) return LastAttentionGradient(feature_gradient);
  if (sublayer.num_units() == 0) return {};
  at::Tensor at_projection = feature_gradient;
  if (sublayer.kind == SublayerKind::kAttention) {
    at_projection = Matrix(projection_gradient_, batch_->tokens(), 3 * sublayer.num_features());
    AttendBackward(Rows(saved_[s - first_].projected, batch_->tokens()), sublayer.in.bias,
                   sublayer.num_units(), *batch_, feature_gradient, at_projection, sublayer.attention());
  } else if (sublayer.gated) {
    const int64_t rows = feature_gradient.size(0);
    at_projection = Matrix(projection_gradient_, rows, 2 * sublayer.num_features());
    GatedBackward(feature_gradient,
                  first_tokens_only(s) ? first_derivative_NU_ : Rows(saved_[s - first_].projected, rows),
                  at_projection);
  }
  const at::Tensor branch = Rows(branch_Td_, at_projection.size(0));
  MatrixProduct(at_projection, factors_[s - first_].in_backward, branch);
  return branch;
}

at::Tensor Tape::ThroughInputNorm(int s, const at::Tensor& gradient_Rd, const at::Tensor& branch) {
  const at::Tensor at_y = branch.to(gradient_Rd.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  NormBackward(at_y, {}, encoder_.sublayers[s].norm, PreNormOfGradient(s - 1), at_y, {});
  at::Tensor gradient = gradient_Rd;
  return gradient.add_(at_y);
}

// Only first tokens ask, all tokens are keys and values: the gradient spreads to all rows.
at::Tensor Tape::LastAttentionGradient(const at::Tensor& feature_gradient_NU) {
  const int s = last_ - 1;
  const Sublayer& sublayer = encoder_.sublayers[s];
  const at::Tensor of_first = Rows(gradient_Td_, batch_->size()).clone();
  const at::Tensor all = Rows(gradient_Td_, batch_->tokens());
  if (sublayer.num_units() == 0) {
    all.zero_();
  } else {
    FirstQueryBackward(Rows(saved_[s - first_].projected, batch_->tokens()), sublayer.in.bias,
                       last_attention_in_, sublayer.num_units(), *batch_, feature_gradient_NU, all,
                       sublayer.attention());
    if (norm_first_) NormBackward(all, {}, sublayer.norm, PreNorm(s - 1, batch_->tokens()), all, {});
  }
  const Determinism unordered(Determinism::kUnorderedRows);
  all.index_add_(0, batch_->offsets_device.narrow(0, 0, batch_->size()), of_first);
  return {};
}

}  // namespace kprune
