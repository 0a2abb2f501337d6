#include "engine/cost/prediction.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

// MiniLM's shape.
ModelConfig Config() {
  ModelConfig config;
  config.num_layers = 6;
  config.hidden_size = 384;
  config.head_dim = 32;
  config.num_heads = 12;
  config.intermediate_size = 1536;
  config.vocab_size = 1000;
  config.num_labels = 2;
  config.heads.assign(6, std::vector<int64_t>(12));
  config.neurons.assign(6, std::vector<int64_t>(1536));
  return config;
}

constexpr int64_t kParameters = 22'000'000;

WorkloadPrediction Predict(const ModelConfig& config, int sequences, int length,
                           const Options& options = {}) {
  return PredictWorkload(config, SamplesOfLengths(std::vector<int>(sequences, length), config), kParameters,
                         options, at::kCPU);
}

TEST(PredictionTest, Examples) {
  const WorkloadPrediction prediction = Predict(Config(), 256, 25);
  EXPECT_EQ(prediction.tokens, 256 * 25);
  EXPECT_GT(prediction.seconds, 0);
  EXPECT_TRUE(std::isfinite(prediction.seconds));
  // The model twice, LibTorch, two streams and some: a few hundred MiB.
  EXPECT_GT(prediction.peak_memory_bytes, 2 * 4 * kParameters);
  EXPECT_LT(prediction.peak_memory_bytes, int64_t{2} << 30);
}

TEST(PredictionTest, MemoryGrowsWithTokensByTheTwoStreams) {
  // Every set fills its first batch alike: between the sets only the streams differ.
  const ModelConfig config = Config();
  const int64_t one = Predict(config, 64, 20).peak_memory_bytes,
                two = Predict(config, 128, 20).peak_memory_bytes,
                four = Predict(config, 256, 20).peak_memory_bytes;
  EXPECT_EQ(two - one, 64 * 20 * 2 * 384 * 4);
  EXPECT_EQ(four - two, 2 * (two - one));
}

TEST(PredictionTest, MemoryGrowsWithTheBatch) {
  Options small, large;
  small.batch_size = 8;
  large.batch_size = 64;
  EXPECT_LT(Predict(Config(), 64, 20, small).peak_memory_bytes,
            Predict(Config(), 64, 20, large).peak_memory_bytes);
}

TEST(PredictionTest, APrunedModelNeedsLess) {
  ModelConfig pruned = Config();
  for (auto& layer : pruned.heads) layer.resize(3);
  for (auto& layer : pruned.neurons) layer.resize(200);
  EXPECT_LT(Predict(pruned, 64, 20).peak_memory_bytes, Predict(Config(), 64, 20).peak_memory_bytes);
}

}  // namespace
}  // namespace kprune
