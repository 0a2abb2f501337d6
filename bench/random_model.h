// BERT text classifiers with random weights, and samples of random tokens: benchmarks of any shape without a
// file. The same arguments give the same values. Pure functions.
#ifndef KPRUNE_BENCH_RANDOM_MODEL_H_
#define KPRUNE_BENCH_RANDOM_MODEL_H_

#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "engine/data/samples.h"
#include "engine/model/encoder.h"

namespace kprune {

// Every dimension is positive and `hidden` is a multiple of `heads`.
struct RandomModelShape {
  int layers = 6;
  int hidden = 384;
  int heads = 12;
  int intermediate = 1536;
  int max_positions = 512;
  int labels = 2;
};

inline constexpr int kRandomVocabulary = 1000;

// Weights of standard deviation 1 / sqrt(inputs), so that activations neither vanish nor grow with the depth.
Encoder MakeRandomClassifier(const RandomModelShape& shape, uint64_t seed, at::Device device);

// `count` sequences of exactly `tokens` tokens of the vocabulary above.
std::vector<Sample> MakeRandomSamples(int64_t count, int tokens, uint64_t seed);

}  // namespace kprune

#endif  // KPRUNE_BENCH_RANDOM_MODEL_H_
