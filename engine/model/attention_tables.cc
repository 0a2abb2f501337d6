// Shapes: P places of a token in a sequence, h head size, D = 2 P - 1 distances.
#include "engine/model/attention_tables.h"

#include <ATen/ATen.h>

#include <cmath>

namespace kprune {
namespace {

void SetRotary(double theta, int places, int head_dim, at::Device device, AttentionForm& form) {
  if (theta == 0) return;
  // float32 throughout, as the models were trained.
  const at::Tensor exponents = at::arange(0, head_dim, 2, at::TensorOptions(at::kFloat)) / head_dim;
  const at::Tensor frequencies = at::pow(at::full({}, theta, at::kFloat), exponents).reciprocal();
  const at::Tensor angles = at::arange(places, at::TensorOptions(at::kFloat)).unsqueeze(1) * frequencies;
  const at::Tensor both = at::cat({angles, angles}, 1);
  form.rotary_cos_Ph = both.cos().to(device);
  form.rotary_sin_Ph = both.sin().to(device);
}

// MPNet (as T5): half of the buckets for keys behind the query, the other for those before it.
at::Tensor SignedBuckets(const at::Tensor& distances_D, int all_buckets, int max_distance) {
  const int buckets = all_buckets / 2, exact = buckets / 2;
  const at::Tensor size = distances_D.abs(), number = size.to(at::kFloat);
  const at::Tensor logarithmic =
      exact +
      (at::log(number / exact) / std::log(static_cast<double>(max_distance) / exact) * (buckets - exact))
          .to(at::kLong);
  const at::Tensor bucket = at::where(size < exact, size, logarithmic.clamp_max(buckets - 1));
  return bucket + (distances_D > 0).to(at::kLong) * buckets;
}

// DeBERTa: from query to key, odd, logarithmic beyond half of the buckets; then shifted to rows of its table.
at::Tensor DisentangledRows(const at::Tensor& distances_D, const AttentionConfig& config) {
  at::Tensor relative = -distances_D;  // place of the query minus that of the key
  if (config.buckets > 0) {
    const int mid = config.buckets / 2;
    const at::Tensor size = at::where((relative < mid).logical_and(relative > -mid),
                                      at::full_like(relative, mid - 1), relative.abs());
    const at::Tensor range =
        at::log(at::full({}, (config.max_distance - 1) / static_cast<double>(mid), at::kFloat));
    const at::Tensor logarithmic = at::ceil(at::log(size.to(at::kFloat) / mid) / range * (mid - 1)) + mid;
    relative = at::where(size <= mid, relative.to(at::kFloat), logarithmic * relative.sign()).to(at::kLong);
  }
  return (relative + config.span).clamp(0, 2 * config.span - 1);
}

}  // namespace

AttentionTables::AttentionTables(const ModelConfig& config, at::Device device) : config_(config.attention) {
  const int places = config.max_positions;
  SetRotary(config_.rotary_theta, places, config.head_dim, device, global_);
  SetRotary(config_.local_rotary_theta, places, config.head_dim, device, local_);
  local_.window = config_.window;
  const at::Tensor distances_D = at::arange(1 - places, places, at::TensorOptions(at::kLong));
  if (config.family->attention == AttentionKind::kPositionBias) {
    global_.row_of_distance = SignedBuckets(distances_D, config_.buckets, config_.max_distance).to(device);
  } else if (config.family->attention == AttentionKind::kDisentangled) {
    global_.row_of_distance = DisentangledRows(distances_D, config_).to(device);
    global_.scale_factor = 1 + config_.as_keys + config_.as_queries;
    global_.head_size = config.head_dim;
  }
}

AttentionForm AttentionTables::OfLayer(int layer) const { return config_.local[layer] ? local_ : global_; }

}  // namespace kprune
