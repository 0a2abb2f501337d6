// Measured latency of a forward pass on this machine.
#ifndef KPRUNE_ENGINE_COST_LATENCY_H_
#define KPRUNE_ENGINE_COST_LATENCY_H_

#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "engine/model/encoder.h"

namespace kprune {

struct LatencySetting {
  int batch_size = 8;
  int64_t tokens = 25;  // of every sequence
};

// Sequences of distinct tokens, or pictures, that the model takes; which ones does not matter for the time.
std::vector<Sample> AnySamples(const LatencySetting& setting, const ModelConfig& config);

// Median milliseconds of one forward pass of each encoder, measured in turns (one, then the other) so that a
// noisy machine hurts all alike: `repeats` turns after one for warm-up, or as many as begin within `seconds`,
// but at least three. All encoders are on one device.
std::vector<double> MeasureLatency(absl::Span<const Encoder* const> encoders, const LatencySetting& setting,
                                   int repeats, double seconds = std::numeric_limits<double>::infinity());

}  // namespace kprune

#endif  // KPRUNE_ENGINE_COST_LATENCY_H_
