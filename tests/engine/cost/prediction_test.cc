#include "engine/cost/prediction.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

ModelConfig Config() { return ConfigOfSize(2, 64, 16, 256, 1000); }

TEST(PredictionTest, Examples) {
  const ModelConfig config = Config();
  const std::vector<Sample> samples = SamplesOfLengths(std::vector<int>(256, 25), config);
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const char* method : kMethods) {
      const double seconds = PredictSeconds(config, samples, {.method = method}, type, at::kCPU);
      EXPECT_GT(seconds, 0);
      EXPECT_TRUE(std::isfinite(seconds));
    }
  }
}

}  // namespace
}  // namespace kprune
