#include "engine/cost/prediction.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>

#include "engine/cost/flops.h"
#include "engine/pruning/objective.h"

namespace kprune {
namespace {

// What a plain product of n x n matrices reaches, in FLOP/s: the best of three.
double MeasureGemmRate(at::ScalarType type, at::Device device) {
  constexpr int64_t n = 768;
  const at::Tensor a = at::ones({n, n}, at::TensorOptions(type).device(device));
  double best_seconds = 1e9;
  for (int i = 0; i < 4; ++i) {
    const auto start = std::chrono::steady_clock::now();
    a.mm(a).select(0, 0).to(at::kCPU);  // the copy waits for a device
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (i > 0) best_seconds = std::min(best_seconds, seconds);
  }
  return 2.0 * n * n * n / best_seconds;
}

}  // namespace

double PredictSeconds(const ModelConfig& config, absl::Span<const Sample> samples, const Options& options,
                      at::ScalarType compute_type, at::Device device) {
  const double sequences = static_cast<double>(samples.size());
  double tokens = 0;
  for (const Sample& sample : samples) tokens += static_cast<double>(sample.input_ids.size());
  // Half of the sublayers remain on average: forward once, backward (gradients of activations only) once for
  // each scalar.
  const int passes =
      options.predictive == "kl-gradient" ? 1 : NumFisherProbes(config.task, config.num_labels);
  const double forward = EncoderFlops(config, tokens / std::max(1.0, sequences)) * sequences;
  const double measured = forward * (1 + passes) * (config.num_layers + 0.5);
  // The teacher's step, and the student's for tuning and for advancing.
  const double advanced = (1 + 2 * options.keep_flops) * forward;
  double gram_flops = 0;
  const auto add_gram = [&](double features) {
    gram_flops += tokens * 2 * options.keep_flops * features *
                  (0.6 * options.keep_flops * features + config.hidden_size);
  };
  for (const auto& layer : config.heads) add_gram(static_cast<double>(layer.size()) * config.head_dim);
  for (const auto& layer : config.neurons) add_gram(static_cast<double>(layer.size()));
  // Attention, norms and activations leave about 0.7 of the plain product's rate.
  return (measured + advanced) / (0.7 * MeasureGemmRate(compute_type, device)) +
         gram_flops / (0.7 * MeasureGemmRate(at::kDouble, device));
}

}  // namespace kprune
