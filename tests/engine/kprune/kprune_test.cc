#include "engine/kprune/kprune.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/cost/flops.h"
#include "engine/evaluation/outputs.h"
#include "engine/kprune/streams.h"
#include "tests/engine/kprune/random_encoder.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

class RecordingObserver : public testing::SilentObserver {
 public:
  void OnStage(Stage, double fraction) override {
    EXPECT_GE(fraction, last_fraction);
    EXPECT_LE(fraction, 1);
    last_fraction = fraction;
  }
  void OnSublayer(const SublayerPruned& sublayer) override { sublayers.push_back(sublayer); }
  void OnWarning(const std::string& message) override { warnings.push_back(message); }
  bool cancelled() const override { return static_cast<int>(sublayers.size()) >= cancel_after; }

  std::vector<SublayerPruned> sublayers;
  std::vector<std::string> warnings;
  double last_fraction = 0;
  int cancel_after = 1000;
};

class KPruneTest : public ::testing::TestWithParam<double> {
 protected:
  absl::StatusOr<KPruneResult> Prune(const Encoder& encoder, const Options& options,
                                     ProgressObserver& observer) {
    const auto budget = MakeBudget(encoder.config, options.keep_flops, 7);
    if (!budget.ok()) return budget.status();
    return KPrune(encoder, batches_, *budget, options, observer);
  }

  const Encoder encoder_ = testing::RandomEncoder({.layers = 3, .hidden = 24, .heads = 4, .neurons = 40});
  const std::vector<Sample> samples_ = testing::RandomSamples(40);
  const std::vector<Batch> batches_ = MakeBatches(samples_, 8, "length", at::kCPU);
};

TEST_P(KPruneTest, KeepsNoMoreThanTheBudgetAndNearlyAllOfIt) {
  RecordingObserver observer;
  const auto result = Prune(encoder_, {.keep_flops = GetParam()}, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  const double original = EncoderFlops(encoder_.config, 7), kept = EncoderFlops(result->encoder.config, 7);
  EXPECT_NEAR(kept, result->kept_flops, 1e-6 * original);
  EXPECT_LE(kept, GetParam() * original * (1 + 1e-9));
  EXPECT_GT(kept, GetParam() * original - HeadFlops(7, 24, 6)) << "what is left is less than one unit";
}

TEST_P(KPruneTest, RemovesUnitsPhysicallyAndReportsEverySublayer) {
  RecordingObserver observer;
  const auto result = Prune(encoder_, {.keep_flops = GetParam()}, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(observer.sublayers.size(), 6u);
  for (int t = 0; t < 6; ++t) {
    const Sublayer& pruned = result->encoder.sublayers[t];
    EXPECT_EQ(observer.sublayers[t].kept, pruned.num_units());
    EXPECT_EQ(observer.sublayers[t].index, t);
    EXPECT_EQ(pruned.in.weight.size(0), pruned.in_blocks() * pruned.num_features());
    EXPECT_EQ(pruned.out.weight.size(1), pruned.num_features());
    EXPECT_TRUE(at::isfinite(pruned.out.weight).all().item<bool>());
  }
  EXPECT_NEAR(observer.last_fraction, 1, 1e-9);
}

INSTANTIATE_TEST_SUITE_P(Budgets, KPruneTest, ::testing::Values(0.05, 0.3, 0.5, 0.9));

TEST_F(KPruneTest, TheSameJobGivesTheSameBits) {
  testing::SilentObserver observer;
  const auto first = Prune(encoder_, {}, observer), second = Prune(encoder_, {}, observer);
  ASSERT_TRUE(first.ok() && second.ok());
  for (int t = 0; t < 6; ++t) {
    EXPECT_EQ(first->encoder.sublayers[t].units, second->encoder.sublayers[t].units);
    EXPECT_TRUE(at::equal(first->encoder.sublayers[t].out.weight, second->encoder.sublayers[t].out.weight));
  }
}

TEST_F(KPruneTest, KeepingAlmostEverythingKeepsTheOutputs) {
  testing::SilentObserver observer;
  const auto result = Prune(encoder_, {.keep_flops = 0.999}, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  const at::Tensor before = RunSamples(encoder_, samples_), after = RunSamples(result->encoder, samples_);
  EXPECT_LT((before - after).abs().max().item<double>(), 0.2 * before.std().item<double>());
}

TEST_F(KPruneTest, TuningBringsTheOutputsCloserThanRemovalAlone) {
  testing::SilentObserver observer;
  const auto result = Prune(encoder_, {.keep_flops = 0.5}, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  Encoder untuned = encoder_;
  for (int t = 0; t < 6; ++t) {
    const Sublayer& original = encoder_.sublayers[t];
    const Selection& keep = result->encoder.sublayers[t].units;
    const at::Tensor columns = FeaturesOf(keep, original.unit_width, at::kCPU);
    untuned.Replace(t, keep, {original.out.weight.index_select(1, columns), original.out.bias});
  }
  const at::Tensor before = RunSamples(encoder_, samples_);
  const double tuned_error = (RunSamples(result->encoder, samples_) - before).norm().item<double>();
  const double untuned_error = (RunSamples(untuned, samples_) - before).norm().item<double>();
  EXPECT_LT(tuned_error, 0.8 * untuned_error);
}

TEST_F(KPruneTest, StopsWithinOneSublayerWhenCancelled) {
  RecordingObserver observer;
  observer.cancel_after = 2;
  const auto result = Prune(encoder_, {}, observer);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(observer.sublayers.size(), 2u);
}

TEST_F(KPruneTest, ABudgetBelowOneUnitNamesTheReachableRange) {
  testing::SilentObserver observer;
  const auto result = Prune(encoder_, {.keep_flops = 1e-6}, observer);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("reachable range"));
}

TEST_F(KPruneTest, PrunesAPrunedModelFurther) {
  testing::SilentObserver observer;
  const auto half = Prune(encoder_, {.keep_flops = 0.5}, observer);
  ASSERT_TRUE(half.ok());
  const auto quarter = Prune(half->encoder, {.keep_flops = 0.5}, observer);
  ASSERT_TRUE(quarter.ok()) << quarter.status();
  for (int t = 0; t < 6; ++t) {
    const auto &outer = half->encoder.sublayers[t].units, &inner = quarter->encoder.sublayers[t].units;
    EXPECT_TRUE(std::includes(outer.begin(), outer.end(), inner.begin(), inner.end())) << "original indices";
  }
}

TEST_F(KPruneTest, WarnsOnceWhereTheSamplesAreTooFewToTuneWith) {
  RecordingObserver enough;
  ASSERT_TRUE(Prune(encoder_, {.keep_flops = 0.9}, enough).ok());
  EXPECT_THAT(enough.warnings, ::testing::IsEmpty());
  RecordingObserver few;
  const std::vector<Batch> one =
      MakeBatches(absl::MakeConstSpan(samples_).subspan(0, 3), 8, "length", at::kCPU);
  const auto budget = MakeBudget(encoder_.config, 0.9, 7);
  ASSERT_TRUE(KPrune(encoder_, one, *budget, {}, few).ok());
  EXPECT_THAT(few.warnings, ::testing::ElementsAre(HasSubstr("give more samples")));
}

// The streams' slow twin: both models from the embeddings.
TEST(StreamsTest, HoldTheHiddenStatesAtTheTargetOfBothModels) {
  c10::NoGradGuard no_grad;
  const Encoder teacher = testing::RandomEncoder();
  Encoder student = teacher;
  const std::vector<Sample> samples = testing::RandomSamples(6);
  const std::vector<Batch> batches = MakeBatches(samples, 3, "file", at::kCPU);
  Streams streams(teacher, batches, /*keep_outputs=*/true);
  EXPECT_TRUE(at::equal(streams.teacher_output(1), teacher.Run(batches[1])));
  for (int t = 0; t < 3; ++t) {
    streams.AdvanceTeacherToOutput(t);
    const Sublayer& sublayer = student.sublayers[t];
    const at::Tensor columns = FeaturesOf({1}, sublayer.unit_width, at::kCPU);
    student.Replace(t, {1}, {sublayer.out.weight.index_select(1, columns), sublayer.out.bias});
    streams.Advance(student, t);
  }
  for (size_t k = 0; k < batches.size(); ++k) {
    at::Tensor x = teacher.Embed(batches[k]), y = x;
    for (int t = 0; t < 3; ++t) {
      x = student.Forward(t, x, batches[k]);
      y = teacher.Forward(t, y, batches[k]);
    }
    EXPECT_TRUE(at::equal(streams.student(k), x));
    EXPECT_TRUE(at::equal(streams.teacher(k), y));
  }
}

}  // namespace
}  // namespace kprune
