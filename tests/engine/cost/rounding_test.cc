#include "engine/cost/rounding.h"

#include "gtest/gtest.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

constexpr auto kCpu = at::kCPU, kCuda = at::kCUDA;

ModelConfig Config(int hidden, int intermediate) { return ConfigOfSize(2, hidden, 32, intermediate, 100); }

TEST(RoundingForTest, Examples) {
  EXPECT_EQ(RoundingFor({}, Config(384, 1536), kCpu), (Rounding{1, 16}));
  EXPECT_EQ(RoundingFor({}, Config(768, 3072), kCuda), (Rounding{1, 64}));
  EXPECT_EQ(RoundingFor({.round = "heads:2,neurons:8"}, Config(384, 1536), kCpu), (Rounding{2, 8}));
  EXPECT_EQ(RoundingFor({.round = "off"}, Config(384, 1536), kCpu), Rounding());
}

TEST(RoundingForTest, ANarrowLayerHasSmallerSteps) {
  EXPECT_EQ(RoundingFor({}, Config(384, 1536), kCuda), (Rounding{1, 32}));
  EXPECT_EQ(RoundingFor({}, Config(64, 100), kCpu), (Rounding{1, 2}));
  EXPECT_EQ(RoundingFor({}, Config(32, 64), kCpu), Rounding());
}

TEST(RoundingForTest, ThePapersCodeDoesNotRound) {
  EXPECT_EQ(RoundingFor({.scoring = "paper-code"}, Config(384, 1536), kCpu), Rounding());
  EXPECT_EQ(RoundingFor({.scoring = "paper-code", .round = "neurons:16"}, Config(384, 1536), kCpu),
            (Rounding{1, 16}))
      << "unless it is told to";
}

TEST(MeasureRoundingTest, ChoosesAMultipleThatABudgetCanBear) {
  const Rounding measured = MeasureRounding(Config(128, 512), kCpu);
  EXPECT_TRUE(measured.heads == 1 || measured.heads == 2) << measured.heads;
  EXPECT_GE(measured.neurons, 1);
  EXPECT_LE(measured.neurons, 8) << "the power of two below 512 / 48";
  EXPECT_EQ(measured.neurons & (measured.neurons - 1), 0) << measured.neurons;
}

}  // namespace
}  // namespace kprune
