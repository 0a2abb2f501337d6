#include "engine/cost/latency_table.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/model/tiny_encoder.h"
#include "tests/support/latency_table.h"

namespace kprune {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pointwise;

// Two layers of two heads and four neurons.
ModelConfig Config() {
  ModelConfig config = ConfigOfSize(2, 16, 8, 4, 100);
  config.family = FindFamily("bert");
  return config;
}

TEST(LatencyTableTest, Examples) {
  const LatencyTable table = testing::EvenLatencyTable(2, 2, 4);
  ModelConfig config = Config();
  absl::StatusOr<LatencyCosts> costs = CostsAt(table, config, 10);
  ASSERT_TRUE(costs.ok()) << costs.status();
  EXPECT_EQ(costs->other_ms, 2);
  EXPECT_THAT(costs->attention_ms, ElementsAre(0, 1, 2));
  EXPECT_THAT(costs->of(SublayerKind::kFeedForward), ElementsAre(0, 0.25, 0.5, 0.75, 1));
  EXPECT_EQ(LatencyOf(*costs, config), 2 + 2 * 2 + 2 * 1);
  config.heads[0].pop_back();
  config.neurons[1].clear();
  EXPECT_EQ(LatencyOf(*costs, config), 2 + 1 + 2 + 1 + 0);
  // Half way between two lengths.
  costs = CostsAt(table, Config(), 15);
  ASSERT_TRUE(costs.ok());
  EXPECT_EQ(costs->other_ms, 3);
  EXPECT_THAT(costs->attention_ms, ElementsAre(0, 1.5, 3));
}

TEST(LatencyTableTest, ServesNoOtherModelAndNoOtherLength) {
  const LatencyTable table = testing::EvenLatencyTable(2, 2, 4);
  for (const double tokens : {9.9, 20.1}) {
    const absl::Status status = CostsAt(table, Config(), tokens).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("sequences of 10 to 20 tokens, these samples have"));
  }
  EXPECT_TRUE(CostsAt(table, Config(), 20).ok());
  for (const auto& [part, change] : std::vector<std::pair<std::string, void (*)(ModelConfig&)>>{
           {"model_type bert, this one has distilbert",
            [](ModelConfig& config) { config.family = FindFamily("distilbert"); }},
           {"layers 2, this one has 3", [](ModelConfig& config) { config.num_layers = 3; }},
           {"hidden_size 16, this one has 32", [](ModelConfig& config) { config.hidden_size = 32; }},
           {"head size 8, this one has 4", [](ModelConfig& config) { config.head_dim = 4; }},
           {"heads 2, this one has 4", [](ModelConfig& config) { config.num_heads = 4; }},
           {"intermediate_size 4, this one has 8", [](ModelConfig& config) { config.intermediate_size = 8; }}}) {
    ModelConfig other = Config();
    change(other);
    const absl::Status status = CostsAt(table, other, 10).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

TEST(LatencyTableTest, ARowFollowsFromWholeModels) {
  // Three layers; a head costs 1 ms a layer, eight neurons 2 ms, the rest 5 ms.
  const WholeModelTimes times{{11, 14, 17}, {8, 14, 20}, 1, 1};
  const LatencyRow row = RowFrom(25, 3, times);
  EXPECT_EQ(row.tokens, 25);
  EXPECT_THAT(row.attention_ms, Pointwise(DoubleNear(1e-9), {0.0, 1.0, 2.0}));
  EXPECT_THAT(row.feed_forward_ms, Pointwise(DoubleNear(1e-9), {0.0, 2.0, 4.0}));
  EXPECT_NEAR(row.other_ms, 14 - 3 - 6, 1e-9);
}

TEST(LatencyTableTest, ThatAWiderLayerSeemsCheaperIsNoise) {
  const LatencyRow row = RowFrom(25, 1, {{10, 14, 12, 20}, {10, 13, 13, 13}, 1, 1});
  EXPECT_THAT(row.attention_ms, Pointwise(DoubleNear(1e-3), {0.0, 3.0, 3.0, 10.0}));
  for (const auto* costs : {&row.attention_ms, &row.feed_forward_ms})
    for (size_t i = 1; i < costs->size(); ++i) EXPECT_GT((*costs)[i], (*costs)[i - 1]);
  EXPECT_GE(row.other_ms, 0);
}

}  // namespace
}  // namespace kprune
