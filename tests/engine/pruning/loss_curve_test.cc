#include "engine/pruning/loss_curve.h"

#include <algorithm>
#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(LossCurveTest, Examples) {
  const LossCurve curve = SampleCurve({0.0, 0.5, 2.0});
  EXPECT_THAT(curve.removed, ElementsAre(0, 1, 2));
  EXPECT_THAT(curve.losses, ElementsAre(0.0, 0.5, 2.0));
}

TEST(LossCurveTest, ALongOneIsSampledEvenlyWithBothEnds) {
  std::vector<double> losses(1537);
  std::iota(losses.begin(), losses.end(), 0.0);
  const LossCurve curve = SampleCurve(losses);
  ASSERT_EQ(curve.removed.size(), 33u);
  for (size_t i = 0; i < curve.removed.size(); ++i) {
    EXPECT_EQ(curve.removed[i], 48 * static_cast<int64_t>(i));
    EXPECT_EQ(curve.losses[i], static_cast<double>(curve.removed[i]));
  }
}

TEST(LossCurveTest, NoPointComesTwice) {
  for (const size_t size : {33, 34, 35, 65, 66}) {
    const LossCurve curve = SampleCurve(std::vector<double>(size));
    EXPECT_EQ(std::adjacent_find(curve.removed.begin(), curve.removed.end()), curve.removed.end()) << size;
    EXPECT_EQ(curve.removed.back(), static_cast<int64_t>(size) - 1);
  }
  EXPECT_THAT(SampleCurve(std::vector<double>{}).removed, IsEmpty());
  EXPECT_THAT(SampleCurve(std::vector<double>{0.0}).removed, ElementsAre(0));
}

}  // namespace
}  // namespace kprune
