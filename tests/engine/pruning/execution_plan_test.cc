#include "engine/pruning/execution_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "engine/model/tape.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

// BERT-base.
ModelConfig Config() { return ConfigOfSize(12, 768, 64, 3072, 30522); }

constexpr int64_t kGiB = int64_t{1} << 30;
// 16,384 samples of 128 tokens.
const Workload kLarge = {.parameters = 109'000'000, .tokens = 16384 * 128, .longest = 128};

TEST(ExecutionPlanTest, Examples) {
  const auto plan = PlanExecution(Config(), kLarge, {}, "");
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->batch_tokens, 1024);
  EXPECT_EQ(plan->streams, Place::kDevice);
  // Two streams of float32.
  EXPECT_GT(PredictPeakMemory(Config(), kLarge, {}, *plan), 2 * kLarge.tokens * 768 * 4);
}

TEST(ExecutionPlanTest, AMachineThatIsShortSpillsTheStreamsAndComputesTheSame) {
  Workload workload = kLarge;
  workload.free_bytes = 8 * kGiB;
  const auto plan = PlanExecution(Config(), workload, {}, "/scratch");
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->streams, Place::kFile);
  EXPECT_EQ(plan->scratch_directory, "/scratch");
  EXPECT_EQ(plan->batch_tokens, 1024) << "batches change the last bits of the result";
}

TEST(ExecutionPlanTest, ALimitIsKept) {
  for (int64_t limit : {20 * kGiB, 4 * kGiB, 2 * kGiB}) {
    const Options options{.memory_limit_bytes = limit};
    const auto plan = PlanExecution(Config(), kLarge, options, "");
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_LE(PredictPeakMemory(Config(), kLarge, options, *plan), limit);
    EXPECT_EQ(plan->streams, limit > 16 * kGiB ? Place::kDevice : Place::kFile);
  }
}

TEST(ExecutionPlanTest, OnAGpuALimitIsForTheMemoryBesideIt) {
  const auto place = [](int64_t limit, int64_t free) {
    Workload workload = kLarge;
    workload.device = at::Device(at::kCUDA, 0);
    workload.free_bytes = free;
    const auto plan = PlanExecution(Config(), workload, {.memory_limit_bytes = limit}, "");
    return plan.ok() ? plan->streams : throw std::runtime_error(plan.status().ToString());
  };
  EXPECT_EQ(place(0, 80 * kGiB), Place::kDevice);
  EXPECT_EQ(place(0, 24 * kGiB), Place::kHost);
  EXPECT_EQ(place(4 * kGiB, 80 * kGiB), Place::kDevice) << "the streams take nothing of it there";
  EXPECT_EQ(place(20 * kGiB, 24 * kGiB), Place::kHost);
  EXPECT_EQ(place(4 * kGiB, 24 * kGiB), Place::kFile) << "in host memory they would count";
  EXPECT_EQ(place(4 * kGiB, kGiB), Place::kFile) << "what is free may change";
  EXPECT_THROW(place(kGiB, 80 * kGiB), std::runtime_error);
}

TEST(ExecutionPlanTest, StreamsThatFitNeitherAGpuNorTheMachineGoToAFile) {
  Workload workload = kLarge;
  workload.device = at::Device(at::kCUDA, 0);
  workload.free_bytes = 24 * kGiB;
  workload.host_free_bytes = 64 * kGiB;
  EXPECT_EQ(PlanExecution(Config(), workload, {}, "")->streams, Place::kHost);
  workload.host_free_bytes = 8 * kGiB;
  EXPECT_EQ(PlanExecution(Config(), workload, {}, "")->streams, Place::kFile);
  EXPECT_EQ(PlanExecution(Config(), workload, {.memory_limit_bytes = 20 * kGiB}, "")->streams, Place::kHost)
      << "the limit says what there is";
  workload.free_bytes = 80 * kGiB;
  EXPECT_EQ(PlanExecution(Config(), workload, {}, "")->streams, Place::kDevice);
}

TEST(ExecutionPlanTest, ALimitBelowWhatTheModelNeedsSaysHowMuchThatIs) {
  const Options options{.memory_limit_bytes = kGiB};
  const auto plan = PlanExecution(Config(), kLarge, options, "");
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(plan.status().message()), ::testing::HasSubstr("needs at least"));
}

TEST(ExecutionPlanTest, MemoryGrowsWithTokensByTheTwoStreams) {
  Workload workload = kLarge;
  const Options options{.method = "kprune"};
  const auto plan = PlanExecution(Config(), workload, options, "");
  const int64_t more = PredictPeakMemory(Config(), workload, options, *plan);
  workload.tokens /= 2;
  const int64_t less = PredictPeakMemory(Config(), workload, options, *plan);
  const double a_token = static_cast<double>(more - less) / static_cast<double>(workload.tokens);
  EXPECT_NEAR(a_token, 2 * 768 * 4, 100) << "and the samples themselves";
}

TEST(ExecutionPlanTest, SeveralModelsAreJudgedBesideTheStreams) {
  const auto plan = PlanExecution(Config(), kLarge, {}, "");
  const int64_t one = PredictPeakMemory(Config(), kLarge, {.keep_flops = {0.7}}, *plan);
  const int64_t several = PredictPeakMemory(Config(), kLarge, {.keep_flops = {0.7, 0.3}}, *plan);
  const int64_t searched = PredictPeakMemory(Config(), kLarge, {.max_drop = 2}, *plan);
  EXPECT_GE(several, one);
  EXPECT_GE(searched, several) << "as if the largest model were kept";
}

TEST(ExecutionPlanTest, SixteenBitsTakeLessAndLongSequencesMore) {
  Workload workload = kLarge;
  workload.tokens = 4096;
  const auto plan = PlanExecution(Config(), workload, {}, "");
  const int64_t full = PredictPeakMemory(Config(), workload, {}, *plan);
  workload.longest = 2048;
  EXPECT_GT(PredictPeakMemory(Config(), workload, {}, *plan), full);
  EXPECT_LT(Tape::BytesPerToken(Config(), at::kBFloat16), Tape::BytesPerToken(Config(), at::kFloat));
}

}  // namespace
}  // namespace kprune
