// Which widths a device's kernels like.
#ifndef KPRUNE_ENGINE_COST_ROUNDING_H_
#define KPRUNE_ENGINE_COST_ROUNDING_H_

#include <c10/core/Device.h>

#include "engine/model/model_config.h"
#include "kprune/options.h"
#include "kprune/rounding.h"

namespace kprune {

// Of neurons, where options.round is "device": what a vector register of a CPU holds, and what a tile of a
// GPU's tensor cores does; but never more than a 48th of the original's feed-forward width, as a power of
// two, so that a budget is met within 0.5 %. Heads are not rounded: a head is 32 columns and more.
inline constexpr int64_t kCpuNeurons = 16, kCudaNeurons = 64, kLeastSteps = 48;

// What options.round says for pruning `config`'s model on `device`: "off" is 1 and 1, and so is "device"
// under scoring "paper-code". "auto" is as "device": who runs the job measures, once, and remembers it.
Rounding RoundingFor(const Options& options, const ModelConfig& config, at::Device device);

// The smallest multiples with which this machine is within 5 % of the best time a neuron or a head, found by
// running layers of `config`'s shape in some 100 ms. Not the same in every run.
Rounding MeasureRounding(const ModelConfig& config, at::Device device);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_COST_ROUNDING_H_
