#include "bench/random_model.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <numeric>
#include <random>

namespace kprune {
namespace {

std::vector<int64_t> AllUnits(int count) {
  std::vector<int64_t> units(count);
  std::iota(units.begin(), units.end(), 0);
  return units;
}

class RandomWeights {
 public:
  RandomWeights(uint64_t seed, at::Device device)
      : random_(at::make_generator<at::CPUGeneratorImpl>(seed)), device_(device) {}

  at::Tensor Tensor(at::IntArrayRef shape, double scale) {
    return at::randn(shape, random_, at::TensorOptions(at::kFloat)).mul_(scale).to(device_);
  }
  Linear Projection(int64_t out, int64_t in) {
    return {Tensor({out, in}, 1 / std::sqrt(static_cast<double>(in))), Tensor({out}, 0.1)};
  }
  LayerNorm Norm(int64_t d) { return {Tensor({d}, 0.1).add_(1), Tensor({d}, 0.1), 1e-12}; }

 private:
  at::Generator random_;
  const at::Device device_;
};

ModelConfig ConfigOf(const RandomModelShape& shape) {
  ModelConfig config;
  config.family = FindFamily("bert");
  config.task = Task::kSingleLabel;
  config.embedding_size = shape.hidden;
  config.num_layers = shape.layers;
  config.hidden_size = shape.hidden;
  config.num_heads = shape.heads;
  config.head_dim = shape.hidden / shape.heads;
  config.intermediate_size = shape.intermediate;
  config.vocab_size = kRandomVocabulary;
  config.max_positions = shape.max_positions;
  config.max_sequence = shape.max_positions;
  config.num_labels = shape.labels;
  config.activation = "gelu";
  config.head_activation = "tanh";
  config.heads.assign(shape.layers, AllUnits(shape.heads));
  config.neurons.assign(shape.layers, AllUnits(shape.intermediate));
  return config;
}

}  // namespace

Encoder MakeRandomClassifier(const RandomModelShape& shape, uint64_t seed, at::Device device) {
  RandomWeights random(seed, device);
  const int64_t d = shape.hidden, neurons = shape.intermediate;
  Encoder encoder;
  encoder.config = ConfigOf(shape);
  encoder.word_embeddings = random.Tensor({kRandomVocabulary, d}, 1);
  encoder.position_embeddings = random.Tensor({shape.max_positions, d}, 0.3);
  encoder.embeddings_norm = random.Norm(d);
  for (int layer = 0; layer < shape.layers; ++layer) {
    encoder.sublayers.push_back({SublayerKind::kAttention, layer, encoder.config.head_dim,
                                 AllUnits(shape.heads), random.Projection(3 * d, d), random.Projection(d, d),
                                 random.Norm(d)});
    encoder.sublayers.push_back({SublayerKind::kFeedForward, layer, 1, AllUnits(shape.intermediate),
                                 random.Projection(neurons, d), random.Projection(d, neurons),
                                 random.Norm(d)});
  }
  encoder.head_dense = random.Projection(d, d);
  encoder.head_output = random.Projection(shape.labels, d);
  return encoder;
}

std::vector<Sample> MakeRandomSamples(int64_t count, int tokens, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Sample> samples(count);
  for (Sample& sample : samples) {
    sample.input_ids.resize(tokens);
    for (int32_t& id : sample.input_ids) id = static_cast<int32_t>(random() % kRandomVocabulary);
    sample.token_type_ids.assign(tokens, 0);
  }
  return samples;
}

}  // namespace kprune
