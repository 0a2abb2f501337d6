#include "engine/cost/prediction.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>

#include "engine/cost/flops.h"
#include "engine/kprune/objective.h"

namespace kprune {
namespace {

// LibTorch itself with its thread pools, measured as the resident size of a worker that has done one small
// product.
constexpr int64_t kRuntimeBytes = int64_t{230} << 20;

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

// Backward passes of one batch: see FisherProbes.
double BackwardPasses(const ModelConfig& config, const Options& options) {
  if (options.predictive == "kl-gradient" || config.task == Task::kRegression) return 1;
  if (config.task == Task::kEmbedding) return kEmbeddingProbes;
  if (config.num_labels > kMaxExactClasses) return kSampledProbes;
  return config.task == Task::kMultiLabel ? config.num_labels : config.num_labels - 1;
}

// The widest sublayer's features.
int64_t WidestFeatures(const ModelConfig& config) {
  int64_t widest = 0;
  for (const auto& layer : config.heads)
    widest = std::max<int64_t>(widest, static_cast<int64_t>(layer.size()) * config.head_dim);
  for (const auto& layer : config.neurons)
    widest = std::max<int64_t>(widest, static_cast<int64_t>(layer.size()));
  return widest;
}

// Bytes that one token of a batch holds through a forward and backward pass: inputs, features and projections
// of all sublayers.
double ActivationBytesPerToken(const ModelConfig& config) {
  double floats = 0;
  for (const auto& layer : config.heads)
    floats += 8.0 * static_cast<double>(layer.size()) * config.head_dim + 4.0 * config.hidden_size;
  for (const auto& layer : config.neurons)
    floats += 3.0 * static_cast<double>(layer.size()) + 4.0 * config.hidden_size;
  return 4 * floats;
}

}  // namespace

WorkloadPrediction PredictWorkload(const ModelConfig& config, absl::Span<const Sample> samples,
                                   int64_t parameters, const Options& options, at::Device device) {
  WorkloadPrediction prediction;
  std::vector<int64_t> lengths;
  for (const Sample& sample : samples) {
    lengths.push_back(static_cast<int64_t>(sample.input_ids.size()));
    prediction.tokens += lengths.back();
  }
  std::sort(lengths.rbegin(), lengths.rend());
  int64_t batch_tokens = 0;
  for (size_t i = 0; i < std::min<size_t>(lengths.size(), options.batch_size); ++i)
    batch_tokens += lengths[i];
  const int64_t widest = WidestFeatures(config);

  const double streams = 2.0 * static_cast<double>(prediction.tokens) * config.hidden_size * 4;
  const double activations = static_cast<double>(batch_tokens) *
                             (ActivationBytesPerToken(config) + 16.0 * static_cast<double>(widest));
  const double gram = 3.0 * static_cast<double>(widest * widest) * 8;
  // The checkpoint is read through a map and copied to float32.
  const double model = static_cast<double>(parameters) * 4 * 2;
  prediction.peak_memory_bytes = kRuntimeBytes + static_cast<int64_t>(streams + activations + gram + model);

  // Half of the sublayers remain on average: forward once, backward (gradients of activations only) once for
  // each scalar.
  const double sequences = static_cast<double>(samples.size());
  const double mean_tokens = static_cast<double>(prediction.tokens) / std::max(1.0, sequences);
  const double forward = EncoderFlops(config, mean_tokens) * sequences;
  const double measured = forward * (1 + BackwardPasses(config, options)) * (config.num_layers + 0.5);
  const double advanced = 2 * forward;
  double gram_flops = 0;
  const auto add_gram = [&](double features) {
    gram_flops +=
        static_cast<double>(prediction.tokens) * 2 * features * (0.6 * features + config.hidden_size);
  };
  for (const auto& layer : config.heads) add_gram(static_cast<double>(layer.size()) * config.head_dim);
  for (const auto& layer : config.neurons) add_gram(static_cast<double>(layer.size()));
  // Attention, norms and activations leave about half of the plain product's rate.
  prediction.seconds = (measured + advanced) / (0.5 * MeasureGemmRate(at::kFloat, device)) +
                       gram_flops / (0.7 * MeasureGemmRate(at::kDouble, device));
  return prediction;
}

}  // namespace kprune
