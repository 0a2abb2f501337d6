#include "engine/cost/latency.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>

namespace kprune {
namespace {

constexpr int kFewestTurns = 3;

double SecondsOfRun(const Encoder& encoder, const Batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  // Copying the result to the CPU waits for a device to finish.
  encoder.Run(batch).to(at::kCPU);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::vector<Sample> AnySamples(const LatencySetting& setting, const ModelConfig& config) {
  std::vector<Sample> samples(setting.batch_size);
  for (size_t i = 0; config.patches && i < samples.size(); ++i) {
    samples[i].image = AnyImage(config.patches->image, static_cast<uint32_t>(i));
    samples[i].image_tokens = static_cast<int32_t>(config.patches->tokens());
  }
  if (config.patches) return samples;
  for (Sample& sample : samples) {
    for (int64_t s = 0; s < setting.tokens; ++s) {
      sample.input_ids.push_back(
          static_cast<int32_t>((s * 7919 + (&sample - samples.data()) * 104729) % config.vocab_size));
      sample.token_type_ids.push_back(0);
    }
  }
  return samples;
}

std::vector<double> MeasureLatency(absl::Span<const Encoder* const> encoders, const LatencySetting& setting,
                                   int repeats, double seconds_in_all) {
  c10::NoGradGuard no_grad;
  const Encoder& narrowest = **std::min_element(
      encoders.begin(), encoders.end(),
      [](const Encoder* a, const Encoder* b) { return a->config.vocab_size < b->config.vocab_size; });
  const std::vector<Sample> samples = AnySamples(setting, narrowest.config);
  const Batch batch = MakeBatches(samples, setting.batch_size, "file", encoders[0]->device())[0];
  std::vector<std::vector<double>> seconds(encoders.size());
  double spent = 0;
  for (int turn = -1; turn < repeats && (turn < kFewestTurns || spent < seconds_in_all); ++turn) {
    for (size_t i = 0; i < encoders.size(); ++i) {
      const double time = SecondsOfRun(*encoders[i], batch);
      spent += time;
      if (turn >= 0) seconds[i].push_back(time);
    }
  }
  std::vector<double> medians;
  for (std::vector<double>& times : seconds) {
    std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
    medians.push_back(times[times.size() / 2] * 1e3);
  }
  return medians;
}

}  // namespace kprune
