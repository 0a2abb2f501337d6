#include "engine/cost/prediction.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "engine/cost/flops.h"
#include "engine/kprune/setting_search.h"
#include "engine/model/matrix_product.h"
#include "engine/pruning/objective.h"
#include "engine/pruning/pruning_state.h"
#include "engine/refit/refit.h"

namespace kprune {
namespace {

// How many models max_drop settles, and what they keep on average.
constexpr int kSearchedModels = 6;
constexpr double kMeanSearchedKeep = 0.5;

// What a plain product of n x n matrices reaches, in FLOP/s: the best of three.
double MeasureGemmRate(at::ScalarType type, at::Device device) {
  constexpr int64_t n = 768;
  const at::Tensor a = at::ones({n, n}, at::TensorOptions(type).device(device)), product = at::empty_like(a);
  double best_seconds = 1e9;
  for (int i = 0; i < 4; ++i) {
    const auto start = std::chrono::steady_clock::now();
    MatrixProduct(a, a, product);
    product.select(0, 0).to(at::kCPU);  // the copy waits for a device
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (i > 0) best_seconds = std::min(best_seconds, seconds);
  }
  return 2.0 * n * n * n / best_seconds;
}

// Method kprune measures what remains above every `every`-th sublayer: in whole models.
double ModelsMeasured(const ModelConfig& config, int every) {
  double sublayers = 0;
  const std::vector<int> own = config.OwnSublayers();
  for (size_t k = 0; k < own.size(); k += static_cast<size_t>(every))
    sublayers += 2 * config.num_layers - (config.PlacesOf(own[k]).size() > 1 ? own[k] - own[k] % 2 : own[k]);
  return sublayers / (2 * config.num_layers);
}

}  // namespace

double PredictSeconds(const ModelConfig& config, absl::Span<const Sample> samples, const Options& options,
                      at::ScalarType compute_type, at::Device device) {
  const bool refit = options.method == "refit";
  const double copies = refit ? 1 + options.variants : 1;
  const double sequences = copies * static_cast<double>(samples.size());
  double tokens = 0;
  for (const Sample& sample : samples) tokens += copies * static_cast<double>(sample.tokens());
  const int passes =
      !refit && options.predictive == "kl-gradient" ? 1 : NumFisherProbes(config.task, config.num_labels);
  const double forward = EncoderFlops(config, tokens / std::max(1.0, sequences)) * sequences;
  // A forward pass, and a backward pass (gradients of activations only) for each scalar: of everything once,
  // and forwards again for the search, or for every sublayer of the half that remains on average.
  const double share = refit ? MeasuredShare(sequences) : 1;
  const double measured =
      forward * (refit ? share * (2 + passes) : (1 + passes) * ModelsMeasured(config, options.measure_every));
  const std::vector<double> budgets =
      options.max_drop ? std::vector<double>(kSearchedModels, kMeanSearchedKeep) : options.budgets();
  // Sublayers that layers share are refitted several times, and both go up to each of their places.
  const double rounds = config.shares_layers ? 1 + kSharedRounds : 1, climbs = config.shares_layers ? 2 : 1;
  // The teacher's step, and the student's for tuning and for advancing.
  double advanced = 0;
  for (const double keep : budgets) advanced += rounds * climbs * (1 + 2 * keep) * forward;
  double double_flops = 0;
  for (const int t : config.OwnSublayers()) {
    const bool attention = t % 2 == 0;
    const double d = config.hidden_size, places = static_cast<double>(config.PlacesOf(t).size());
    const double features = static_cast<double>((attention ? config.heads : config.neurons)[t / 2].size()) *
                            (attention ? config.head_dim : 1);
    for (const double keep : budgets) {
      const double kept = keep * features;
      double_flops += rounds * places * tokens * 2 * kept * (0.6 * kept + d);
      // The Gram matrix of the input.
      if (refit) double_flops += rounds * places * tokens * 2 * 1.6 * d * d;
    }
    // The Gram matrix of all features, and the order of removal.
    if (refit) {
      double_flops +=
          places * share * tokens * 2 * 0.6 * features * features + 5 * features * features * features;
    }
  }
  // Attention, norms and activations leave about 0.7 of the plain product's rate.
  // The paper's method measures for every budget again.
  const double times = refit ? 1 : static_cast<double>(budgets.size());
  const double seconds = (times * measured + advanced) / (0.7 * MeasureGemmRate(compute_type, device)) +
                         double_flops / (0.7 * MeasureGemmRate(at::kDouble, device));
  return seconds * (1 + CostOfChoosing(options, samples.size()));
}

}  // namespace kprune
