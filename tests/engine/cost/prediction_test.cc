#include "engine/cost/prediction.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

ModelConfig Config() {
  ModelConfig config;
  config.num_layers = 2;
  config.hidden_size = 64;
  config.head_dim = 16;
  config.num_heads = 4;
  config.intermediate_size = 256;
  config.vocab_size = 1000;
  config.num_labels = 2;
  config.heads.assign(2, std::vector<int64_t>(4));
  config.neurons.assign(2, std::vector<int64_t>(256));
  return config;
}

TEST(PredictionTest, Examples) {
  const ModelConfig config = Config();
  const std::vector<Sample> samples = SamplesOfLengths(std::vector<int>(256, 25), config);
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const double seconds = PredictSeconds(config, samples, {}, type, at::kCPU);
    EXPECT_GT(seconds, 0);
    EXPECT_TRUE(std::isfinite(seconds));
  }
}

}  // namespace
}  // namespace kprune
