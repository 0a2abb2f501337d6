#include "engine/pruning/weight_tuning.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/engine/pruning/random_encoder.h"

namespace kprune {
namespace {

// A student's features and inputs and a teacher's outputs, made up, for one sublayer.
class WeightTuningTest : public ::testing::TestWithParam<int> {
 protected:
  using Products = GramAccumulator::Products;

  static constexpr int64_t kTokens = 200;

  // Tunes the sublayer with the units `keep` alone, batch by batch.
  TunedProjection Tune(const Selection& keep, Products products = Products::kDouble) {
    encoder_.Keep(GetParam(), keep);
    TuningAccumulator sums(target_, products);
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

TEST_P(WeightTuningTest, FasterProductsFitAsWellWhereTheConditionSaysSo) {
  const Selection keep = {0, 1, 2};
  const TunedProjection exact = Tune(keep), fast = Tune(keep, Products::kBFloat16);
  ASSERT_TRUE(IsAsGood(fast.solution, Products::kBFloat16)) << fast.solution.condition;
  EXPECT_LT((fast.out.weight - exact.out.weight).norm().item<double>(),
            1e-2 * exact.out.weight.norm().item<double>());
  EXPECT_NEAR(fast.solution.relative_error, exact.solution.relative_error, 1e-4);
}

TEST_P(WeightTuningTest, FasterProductsAreNotTrustedWhereColumnsNearlyDepend) {
  const Selection keep = {0, 1};
  const int64_t width = target_.unit_width;
  z_.narrow(1, width, width).copy_(z_.narrow(1, 0, width) + 1e-4 * at::randn({kTokens, width}));
  EXPECT_FALSE(IsAsGood(Tune(keep, Products::kBFloat16).solution, Products::kBFloat16));
  EXPECT_TRUE(IsAsGood(Tune(keep).solution, Products::kDouble));
}

TEST_P(WeightTuningTest, KeepingNothingLeavesTheBias) {
  const TunedProjection tuned = Tune({});
  EXPECT_EQ(tuned.out.weight.sizes(), (std::vector<int64_t>{12, 0}));
  EXPECT_TRUE(at::equal(tuned.out.bias, target_.out.bias));
  EXPECT_EQ(tuned.solution.path, "empty");
  EXPECT_TRUE(IsAsGood(Tune({}, Products::kBFloat16).solution, Products::kBFloat16)) << "there is no sum";
}

INSTANTIATE_TEST_SUITE_P(AttentionAndFeedForward, WeightTuningTest, ::testing::Values(0, 1));

}  // namespace
}  // namespace kprune
