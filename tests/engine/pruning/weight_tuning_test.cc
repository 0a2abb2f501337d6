#include "engine/pruning/weight_tuning.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/engine/pruning/random_encoder.h"

namespace kprune {
namespace {

// A student's features and inputs and a teacher's outputs, made up, for one sublayer.
class WeightTuningTest : public ::testing::TestWithParam<int> {
 protected:
  static constexpr int64_t kTokens = 200;

  // Tunes the sublayer with the units `keep` alone, batch by batch.
  TunedProjection Tune(const Selection& keep) {
    encoder_.Keep(GetParam(), keep);
    TuningAccumulator sums(target_);
    for (int64_t begin = 0; begin < kTokens; begin += 40) {
      sums.Add(features(keep).narrow(0, begin, 40), x_.narrow(0, begin, 40), y_.narrow(0, begin, 40));
    }
    return TuneOutput(target_, sums.Result());
  }
  at::Tensor features(const Selection& keep) const {
    return z_.index_select(1, FeaturesOf(keep, target_.unit_width, at::kCPU));
  }

  Encoder encoder_ = testing::RandomEncoder();
  const Sublayer& target_ = encoder_.sublayers[GetParam()];
  const at::Tensor z_ = at::randn({kTokens, target_.num_features()});
  const at::Tensor x_ = at::randn({kTokens, 12}), y_ = at::randn({kTokens, 12});
};

TEST_P(WeightTuningTest, SolvesTheLeastSquaresOfThePaperForTheKeptUnits) {
  const Selection keep = {0, 2};
  const TunedProjection tuned = Tune(keep);
  const at::Tensor z = features(keep).to(at::kDouble);
  const at::Tensor target = (y_ - x_ - target_.out.bias).to(at::kDouble);
  const at::Tensor direct = std::get<0>(at::linalg_lstsq(z, target, std::nullopt, "gelsd"));
  EXPECT_LT((tuned.out.weight.t() - direct).abs().max().item<double>(), 1e-5);
  EXPECT_TRUE(at::equal(tuned.out.bias, target_.out.bias));
  EXPECT_NEAR(tuned.solution.relative_error, ((target - z.mm(direct)).norm() / target.norm()).item<double>(),
              1e-9);
}

TEST_P(WeightTuningTest, KeepingNothingLeavesTheBias) {
  const TunedProjection tuned = Tune({});
  EXPECT_EQ(tuned.out.weight.sizes(), (std::vector<int64_t>{12, 0}));
  EXPECT_TRUE(at::equal(tuned.out.bias, target_.out.bias));
  EXPECT_EQ(tuned.solution.path, "empty");
}

INSTANTIATE_TEST_SUITE_P(AttentionAndFeedForward, WeightTuningTest, ::testing::Values(0, 1));

}  // namespace
}  // namespace kprune
