#include "engine/evaluation/drop.h"

#include <ATen/ATen.h>

#include <vector>

#include "engine/evaluation/agreement.h"
#include "engine/evaluation/statistics.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

TEST(DropTest, Examples) {
  // 2 of 100 points lost, at most 5; the interval of the difference is that of what was gained.
  const Drop drop =
      DropOf(Metric{"accuracy", 0.9, 400, {}, {}}, MetricDifference{-0.02, {-0.05, 0.01}, "tango"});
  EXPECT_EQ(drop.judged_by, "accuracy");
  EXPECT_EQ(drop.samples, 400);
  EXPECT_DOUBLE_EQ(drop.points, 2);
  EXPECT_DOUBLE_EQ(drop.upper, 5);
  EXPECT_EQ(drop.bound, "tango");
}

TEST(DropTest, WithoutLabelsItIsTheShareOfChangedPredictions) {
  const at::Tensor original = at::tensor({1.f, 0.f}).expand({50, 2}).clone();
  at::Tensor pruned = original.clone();
  for (const int64_t i : {3, 7, 20}) pruned[i][1] = 2;
  const std::vector<Sample> samples(50);
  const Drop drop = DropOf(Task::kSingleLabel, Agreement(Task::kSingleLabel, original, pruned),
                           FlippedSamples(Task::kSingleLabel, original, pruned, samples));
  EXPECT_EQ(drop.judged_by, "agreement top1");
  EXPECT_EQ(drop.samples, 50);
  EXPECT_DOUBLE_EQ(drop.points, 6);
  EXPECT_DOUBLE_EQ(drop.upper, 100 * WilsonInterval(3, 50).second);
}

TEST(DropTest, OfSeveralLabelsASampleCountsWhereAnyOfThemChanged) {
  const at::Tensor original = at::ones({50, 4});
  at::Tensor pruned = original.clone();
  pruned[3][0] = -1;
  pruned[3][1] = -1;
  pruned[9][2] = -1;
  const std::vector<Sample> samples(50);
  const Drop drop = DropOf(Task::kMultiLabel, Agreement(Task::kMultiLabel, original, pruned),
                           FlippedSamples(Task::kMultiLabel, original, pruned, samples));
  EXPECT_DOUBLE_EQ(drop.points, 4);
  EXPECT_DOUBLE_EQ(drop.upper, 100 * WilsonInterval(2, 50).second);
}

TEST(DropTest, OfEmbeddingsItIsWhatTheMeanCosineLacks) {
  const at::Tensor original = at::eye(40);
  at::Tensor pruned = original.clone();
  pruned[0] = original[1];  // a right angle
  const Drop drop = DropOf(Task::kEmbedding, Agreement(Task::kEmbedding, original, pruned), nullptr);
  EXPECT_EQ(drop.judged_by, "agreement cosine");
  EXPECT_NEAR(drop.points, 2.5, 1e-9);
  EXPECT_GT(drop.upper, drop.points);
  EXPECT_EQ(drop.bound, "bootstrap");
}

TEST(DropTest, FewSamplesCannotShowASmallDrop) {
  EXPECT_EQ(LeastSamplesToShow(Task::kSingleLabel, 2), 189);
  EXPECT_EQ(LeastSamplesToShow(Task::kMultiLabel, 2), 189);
  EXPECT_LE(100 * WilsonInterval(0, 189).second, 2);
  EXPECT_EQ(LeastSamplesToShow(Task::kEmbedding, 2), 30);
  EXPECT_EQ(LeastSamplesToShow(Task::kRegression, 0.1), 30);
}

}  // namespace
}  // namespace kprune
