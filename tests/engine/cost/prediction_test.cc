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

TEST(PredictionTest, MoreBudgetsTakeLonger) {
  const ModelConfig config = Config();
  const std::vector<Sample> samples = SamplesOfLengths(std::vector<int>(256, 25), config);
  // Rates are measured anew for every prediction: compare with a wide margin.
  for (const char* method : kMethods) {
    const double one =
        PredictSeconds(config, samples, {.method = method, .keep_flops = {0.5}}, at::kFloat, at::kCPU);
    const Options many{.method = method, .keep_flops = std::vector<double>(kMaxBudgets, 0.5)};
    EXPECT_GT(PredictSeconds(config, samples, many, at::kFloat, at::kCPU), 2 * one) << method;
  }
  const double searched =
      PredictSeconds(config, samples, {.method = "refit", .max_drop = 2}, at::kFloat, at::kCPU);
  EXPECT_GT(searched, 0);
}

TEST(PredictionTest, ARunThatMeasuresOnceALayerTakesLess) {
  const ModelConfig config = ConfigOfSize(6, 64, 16, 256, 1000);
  const std::vector<Sample> samples = SamplesOfLengths(std::vector<int>(256, 25), config);
  const Options every = {.method = "kprune"}, once = {.method = "kprune", .measure_every = 64};
  EXPECT_GT(PredictSeconds(config, samples, every, at::kFloat, at::kCPU),
            1.5 * PredictSeconds(config, samples, once, at::kFloat, at::kCPU));
}

TEST(PredictionTest, ARunThatChoosesItsSettingTakesSeveralTimesAsLong) {
  const ModelConfig config = Config();
  const std::vector<Sample> samples = SamplesOfLengths(std::vector<int>(256, 25), config);
  const Options plain = {.method = "kprune"};
  Options chosen = plain;
  chosen.auto_lambda_rep = true;
  EXPECT_GT(PredictSeconds(config, samples, chosen, at::kFloat, at::kCPU),
            1.5 * PredictSeconds(config, samples, plain, at::kFloat, at::kCPU));
}

}  // namespace
}  // namespace kprune
