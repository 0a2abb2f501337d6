#include "engine/pruning/budget.h"

#include <string>

#include "engine/cost/flops.h"
#include "engine/pruning_methods.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/pruning/random_encoder.h"
#include "tests/support/latency_table.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

TEST(BudgetTest, Examples) {
  const Encoder encoder = testing::RandomEncoder({.layers = 3, .hidden = 24, .heads = 3, .neurons = 40});
  const auto budget = MakeBudget(encoder.config, 0.25, 10);
  ASSERT_TRUE(budget.ok()) << budget.status();
  EXPECT_EQ(budget->to_spend(), 0.25 * EncoderFlops(encoder.config, 10));
  const absl::Status status = MakeBudget(encoder.config, 1e-6, 10).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("leaves less than one unit"));
}

TEST(BudgetTest, OfTimeIsMetByTheTable) {
  const Encoder encoder = testing::RandomEncoder({.layers = 3, .hidden = 24, .heads = 3, .neurons = 40});
  const std::vector<Sample> samples = testing::RandomSamples(40);
  Options options;
  options.latency_table = testing::EvenLatencyTable(3, 3, 40);
  const double most = 2 + 3 * (3 + 10);
  for (const double target : {4.0, 12.5, 30.0}) {
    options.target_latency_ms = target;
    const auto budget = MakeLatencyBudget(encoder.config, options, 10);
    ASSERT_TRUE(budget.ok()) << budget.status();
    EXPECT_EQ(budget->to_spend(), target - 2);
    testing::SilentObserver observer;
    const auto result =
        PruneByMethod(encoder, samples, *budget, options, {.batch_tokens = 64}, nullptr, observer);
    ASSERT_TRUE(result.ok()) << result.status();
    const double ms = LatencyOf(budget->latency->costs, result->encoder.config);
    EXPECT_LE(ms, target * (1 + 1e-9));
    EXPECT_GT(ms, target - 1.01) << "what is left is less than a head";
  }
  for (const double target : {1.0, 2.1, most, most + 1}) {
    options.target_latency_ms = target;
    const absl::Status status = MakeLatencyBudget(encoder.config, options, 10).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("this model takes from 2.25 to 41 ms for 4 x 10 tokens"));
  }
}

}  // namespace
}  // namespace kprune
