#include "engine/cost/flops.h"

namespace kprune {

double HeadFlops(double s, int64_t d, int64_t h) {
  const double width = static_cast<double>(h);
  return 8 * s * static_cast<double>(d) * width + 4 * s * s * width;
}

double NeuronFlops(double s, int64_t d) { return 4 * s * static_cast<double>(d); }

double UnitFlops(const ModelConfig& config, SublayerKind kind, double s) {
  return kind == SublayerKind::kAttention ? HeadFlops(s, config.hidden_size, config.head_dim)
                                          : NeuronFlops(s, config.hidden_size);
}

double EncoderFlops(const ModelConfig& config, double s) {
  int64_t heads = 0, neurons = 0;
  for (const auto& layer : config.heads) heads += static_cast<int64_t>(layer.size());
  for (const auto& layer : config.neurons) neurons += static_cast<int64_t>(layer.size());
  return static_cast<double>(heads) * UnitFlops(config, SublayerKind::kAttention, s) +
         static_cast<double>(neurons) * UnitFlops(config, SublayerKind::kFeedForward, s);
}

}  // namespace kprune
