// Small encoders and samples with seeded random values, for the tests of the algorithm.
#ifndef KPRUNE_TESTS_ENGINE_PRUNING_RANDOM_ENCODER_H_
#define KPRUNE_TESTS_ENGINE_PRUNING_RANDOM_ENCODER_H_

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <numeric>
#include <vector>

#include "engine/data/samples.h"
#include "engine/model/encoder.h"

namespace kprune::testing {

struct RandomShape {
  Task task = Task::kSingleLabel;
  int labels = 3;
  int layers = 2;
  int hidden = 12;
  int heads = 3;
  int neurons = 10;
  uint64_t seed = 1;
};

inline at::Tensor RandomTensor(at::Generator& random, std::vector<int64_t> shape, double scale = 1) {
  return at::randn(shape, random, at::TensorOptions(at::kFloat)) * scale;
}

inline Encoder RandomEncoder(const RandomShape& shape = {}) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(shape.seed);
  const int64_t d = shape.hidden;
  const auto linear = [&](int64_t out, int64_t in) {
    return Linear{RandomTensor(random, {out, in}, 1.0 / std::sqrt(static_cast<double>(in))),
                  RandomTensor(random, {out}, 0.1)};
  };
  const auto norm = [&] {
    return LayerNorm{1 + RandomTensor(random, {d}, 0.1), RandomTensor(random, {d}, 0.1), 1e-12};
  };
  const auto all = [](int n) {
    std::vector<int64_t> units(n);
    std::iota(units.begin(), units.end(), 0);
    return units;
  };
  Encoder encoder;
  ModelConfig& config = encoder.config;
  config.family = FindFamily("bert");
  config.task = shape.task;
  config.num_layers = shape.layers;
  config.hidden_size = shape.hidden;
  config.num_heads = shape.heads;
  config.head_dim = shape.hidden / shape.heads;
  config.intermediate_size = shape.neurons;
  config.vocab_size = 50;
  config.max_positions = 32;
  config.num_labels = shape.task == Task::kEmbedding ? shape.hidden : shape.labels;
  config.activation = "gelu";
  config.head_activation = "tanh";
  config.heads.assign(shape.layers, all(shape.heads));
  config.neurons.assign(shape.layers, all(shape.neurons));
  encoder.word_embeddings = RandomTensor(random, {config.vocab_size, d});
  encoder.position_embeddings = RandomTensor(random, {config.max_positions, d}, 0.3);
  encoder.embeddings_norm = norm();
  for (int layer = 0; layer < shape.layers; ++layer) {
    encoder.sublayers.push_back({SublayerKind::kAttention, layer, config.head_dim, all(shape.heads),
                                 linear(3 * d, d), linear(d, d), norm()});
    encoder.sublayers.push_back({SublayerKind::kFeedForward, layer, 1, all(shape.neurons),
                                 linear(shape.neurons, d), linear(d, shape.neurons), norm()});
  }
  if (shape.task != Task::kEmbedding) {
    encoder.head_dense = linear(d, d);
    encoder.head_output = linear(shape.labels, d);
  }
  return encoder;
}

// The same whose layers share their weights in so many groups: those of a group's first layer.
inline Encoder SharingLayers(Encoder encoder, int groups = 1) {
  encoder.config.num_groups = groups;
  encoder.config.shares_layers = true;
  for (const int t : encoder.config.OwnSublayers()) encoder.Put(t, Sublayer(encoder.sublayers[t]));
  return encoder;
}

inline Encoder MovedTo(at::Device device, Encoder encoder) {
  std::vector<at::Tensor*> tensors = {
      &encoder.word_embeddings,        &encoder.position_embeddings,  &encoder.token_type_embeddings,
      &encoder.embeddings_norm.weight, &encoder.embeddings_norm.bias, &encoder.head_dense.weight,
      &encoder.head_dense.bias,        &encoder.head_output.weight,   &encoder.head_output.bias};
  for (Sublayer& sublayer : encoder.sublayers) {
    for (at::Tensor* tensor : {&sublayer.in.weight, &sublayer.in.bias, &sublayer.out.weight,
                               &sublayer.out.bias, &sublayer.norm.weight, &sublayer.norm.bias})
      tensors.push_back(tensor);
  }
  for (at::Tensor* tensor : tensors) {
    if (tensor->defined()) *tensor = tensor->to(device);
  }
  return encoder;
}

// Sequences of 3 to 11 tokens.
inline std::vector<Sample> RandomSamples(int count, uint64_t seed = 7) {
  std::vector<Sample> samples(count);
  uint64_t state = seed;
  const auto next = [&] { return state = state * 6364136223846793005u + 1442695040888963407u, state >> 33; };
  for (Sample& sample : samples) {
    const auto length = 3 + next() % 9;
    for (uint64_t i = 0; i < length; ++i) sample.input_ids.push_back(static_cast<int32_t>(next() % 50));
    sample.token_type_ids.assign(length, 0);
  }
  return samples;
}

// Takes no notice and never cancels.
class SilentObserver : public ProgressObserver {
 public:
  void OnStage(Stage, double) override {}
  void OnSublayer(const SublayerPruned&) override {}
  void OnWarning(const std::string&) override {}
  bool cancelled() const override { return false; }
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_ENGINE_PRUNING_RANDOM_ENCODER_H_
