#include "engine/cost/rounding.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <vector>

namespace kprune {
namespace {

constexpr double kTolerance = 1.05;  // of the best time a unit: a smaller multiple that is as good is better
constexpr int kTurns = 12;
constexpr int64_t kRows = 256;  // tokens

int64_t LargestPowerOfTwo(int64_t limit) {
  int64_t power = 1;
  while (2 * power <= limit) power *= 2;
  return power;
}

// Seconds of both projections of a sublayer with `width` features; the copy waits for a device.
double SecondsOf(const at::Tensor& x_Td, const at::Tensor& in_Ud, const at::Tensor& out_dU) {
  const auto start = std::chrono::steady_clock::now();
  at::linear(at::relu(at::linear(x_Td, in_Ud)), out_dU).select(0, 0).to(at::kCPU);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The smallest of `multiples` that is within kTolerance of the best, in time a unit of `unit_width` features,
// at sublayers of about half of `units`. Each multiple is tried at widths that it gives and the next smaller
// one does not.
int64_t BestMultiple(const std::vector<int64_t>& multiples, int64_t units, int64_t unit_width, int64_t hidden,
                     at::Device device) {
  const auto of = [&](std::vector<int64_t> shape) {
    return at::ones(shape, at::TensorOptions(at::kFloat).device(device));
  };
  const at::Tensor x_Td = of({kRows, hidden});
  std::vector<double> best(multiples.size(), std::numeric_limits<double>::infinity());
  for (int turn = 0; turn < kTurns; ++turn) {
    for (size_t i = 0; i < multiples.size(); ++i) {
      // An odd number of steps, near half of the units.
      const int64_t steps = std::max<int64_t>(1, units / 2 / multiples[i]) | 1;
      const int64_t width = std::min(steps * multiples[i], units) * unit_width;
      const double seconds = SecondsOf(x_Td, of({width, hidden}), of({hidden, width}));
      best[i] = std::min(best[i], seconds / static_cast<double>(width));
    }
  }
  const double least = *std::min_element(best.begin(), best.end());
  for (size_t i = 0; i < multiples.size(); ++i) {
    if (best[i] <= kTolerance * least) return multiples[i];
  }
  return multiples.back();
}

}  // namespace

Rounding MeasureRounding(const ModelConfig& config, at::Device device) {
  c10::NoGradGuard no_grad;
  const int64_t most = LargestPowerOfTwo(std::max<int64_t>(1, config.intermediate_size / kLeastSteps));
  std::vector<int64_t> neurons;
  for (int64_t multiple = 1; multiple <= most; multiple *= 2) neurons.push_back(multiple);
  const std::vector<int64_t> heads =
      config.num_heads >= 4 ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{1};
  return {BestMultiple(heads, config.num_heads, config.head_dim, config.hidden_size, device),
          BestMultiple(neurons, config.intermediate_size, 1, config.hidden_size, device)};
}

Rounding RoundingFor(const Options& options, const ModelConfig& config, at::Device device) {
  if (options.round == "device" || options.round == "auto") {
    if (options.scoring == "paper-code") return {};
    const int64_t most = std::max<int64_t>(1, config.intermediate_size / kLeastSteps);
    return {1, LargestPowerOfTwo(std::min(most, device.is_cuda() ? kCudaNeurons : kCpuNeurons))};
  }
  return ParseRounding(options.round).value_or(Rounding());  // "off" is no list
}

}  // namespace kprune
