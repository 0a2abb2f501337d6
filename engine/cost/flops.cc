#include "engine/cost/flops.h"

#include <algorithm>

namespace kprune {

double HeadFlops(double s, int64_t d, int64_t h) {
  const double width = static_cast<double>(h);
  return 8 * s * static_cast<double>(d) * width + 4 * s * s * width;
}

double NeuronFlops(double s, int64_t d) { return 4 * s * static_cast<double>(d); }

namespace {

double UnitFlopsOfPlace(const ModelConfig& config, int t, double s) {
  const double d = config.hidden_size, h = config.head_dim;
  if (t % 2 == 1)
    return config.gated() ? NeuronFlops(s, config.hidden_size) * 1.5 : NeuronFlops(s, config.hidden_size);
  const AttentionConfig& attention = config.attention;
  const bool local = !attention.local.empty() && attention.local[t / 2];
  const double seen = local ? std::min(s, 2.0 * attention.window + 1) : s;
  const double rows = std::min(2 * s - 1, 2.0 * attention.span);
  return 8 * s * d * h + 4 * s * seen * h + (attention.as_keys + attention.as_queries) * 2 * s * rows * h;
}

}  // namespace

double UnitFlops(const ModelConfig& config, int t, double s) {
  return static_cast<double>(config.PlacesOf(t).size()) * UnitFlopsOfPlace(config, t, s);
}

double EncoderFlops(const ModelConfig& config, double s) {
  double sum = 0;
  for (const int t : config.OwnSublayers()) {
    const auto& units = (t % 2 == 0 ? config.heads : config.neurons)[t / 2];
    sum += static_cast<double>(units.size()) * UnitFlops(config, t, s);
  }
  return sum;
}

}  // namespace kprune
