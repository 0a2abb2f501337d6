#include "engine/refit/allocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <random>

namespace kprune {
namespace {

using ::testing::ElementsAre;

TEST(AllocationTest, Examples) {
  // Removing the first unit of the first sublayer costs 1, the second 5; of the other one 2 and 3, at half
  // the FLOPs.
  const std::vector<SublayerCurve> curves = {{{0, 1, 6}, 2}, {{0, 2, 5}, 1}};
  EXPECT_THAT(AllocateUnits(curves, 6), ElementsAre(2, 2));
  EXPECT_THAT(AllocateUnits(curves, 4), ElementsAre(1, 2));
  EXPECT_THAT(AllocateUnits(curves, 2), ElementsAre(0, 2));
  EXPECT_THAT(AllocateUnits(curves, 1.5), ElementsAre(0, 1));
  EXPECT_THAT(AllocateUnits(curves, 0), ElementsAre(0, 0));
}

TEST(AllocationTest, UnitsThatAreCheapOnlyTogetherLeaveTogether) {
  // The first removal is dear and the second free: both units go, or none.
  const std::vector<SublayerCurve> curves = {{{0, 4, 4}, 1}, {{0, 3, 6}, 1}};
  EXPECT_THAT(AllocateUnits(curves, 2), ElementsAre(0, 2));
}

TEST(AllocationTest, WhatIsLeftOverIsSpent) {
  // One unit of the first costs 10 FLOPs; where it does not fit, the other's units take its place.
  const std::vector<SublayerCurve> curves = {{{0, 100}, 10}, {{0, 1, 2, 3, 4, 5}, 1}};
  EXPECT_THAT(AllocateUnits(curves, 9), ElementsAre(0, 5));
  EXPECT_THAT(AllocateUnits(curves, 12), ElementsAre(1, 2));
}

TEST(AllocationTest, KeepsMultiplesOrAll) {
  const std::vector<SublayerCurve> curves = {{{0, 1, 2, 3, 4, 5, 6, 7}, 1, 3}, {{0, 1, 3, 6, 10}, 1, 2}};
  EXPECT_THAT(AllocateUnits(curves, 11), ElementsAre(7, 4)) << "all of seven, though no multiple of three";
  EXPECT_THAT(AllocateUnits(curves, 10), ElementsAre(6, 4));
  EXPECT_THAT(AllocateUnits(curves, 8), ElementsAre(3, 4));
  EXPECT_THAT(AllocateUnits(curves, 3), ElementsAre(0, 2));
  EXPECT_THAT(AllocateUnits(curves, 1), ElementsAre(0, 0));
}

TEST(AllocationTest, LeavesLessThanOneStepOfTheBudget) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<SublayerCurve> curves(4);
    double all = 0;
    for (SublayerCurve& curve : curves) {
      curve.costs = {0};
      for (int unit = 0; unit < 40; ++unit) curve.costs.push_back(curve.costs.back() + random() % 100);
      curve.unit_flops = 1 + random() % 5;
      curve.rounding = 1 + random() % 8;
      all += 40 * curve.unit_flops;
    }
    const double budget = all * static_cast<double>(1 + random() % 999) / 1000;
    const std::vector<int64_t> kept = AllocateUnits(curves, budget);
    double flops = 0, cheapest_step = std::numeric_limits<double>::infinity();
    for (size_t s = 0; s < kept.size(); ++s) {
      EXPECT_TRUE(kept[s] == 40 || kept[s] % curves[s].rounding == 0) << kept[s];
      flops += static_cast<double>(kept[s]) * curves[s].unit_flops;
      if (kept[s] < 40)
        cheapest_step =
            std::min(cheapest_step, static_cast<double>(curves[s].rounding) * curves[s].unit_flops);
    }
    EXPECT_LE(flops, budget);
    EXPECT_TRUE(budget - flops < cheapest_step || budget - flops < 1e-3 * budget)
        << budget - flops << " of " << budget << " left";
  }
}

// Against all allocations there are, on convex curves where hulls lose nothing: the loss is at most one
// unit's above the least.
TEST(AllocationTest, IsNearTheBestOfAllAllocations) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<SublayerCurve> curves(3);
    double dearest = 0, all = 0;
    for (SublayerCurve& curve : curves) {
      std::vector<double> steps(4);
      for (double& step : steps) step = 1.0 + random() % 1000;
      std::sort(steps.begin(), steps.end());
      curve.costs = {0};
      for (double step : steps) curve.costs.push_back(curve.costs.back() + step);
      curve.unit_flops = 1 + random() % 5;
      dearest = std::max(dearest, steps.back());
      all += 4 * curve.unit_flops;
    }
    const double budget = all * static_cast<double>(random() % 1000) / 1000;
    const auto loss_and_flops = [&](const std::vector<int64_t>& kept) {
      double loss = 0, flops = 0;
      for (size_t s = 0; s < kept.size(); ++s) {
        loss += curves[s].costs[4 - kept[s]];
        flops += static_cast<double>(kept[s]) * curves[s].unit_flops;
      }
      return std::pair(loss, flops);
    };
    double best = std::numeric_limits<double>::infinity();
    for (int64_t code = 0; code < 125; ++code) {
      const auto [loss, flops] = loss_and_flops({code % 5, code / 5 % 5, code / 25});
      if (flops <= budget) best = std::min(best, loss);
    }
    const auto [loss, flops] = loss_and_flops(AllocateUnits(curves, budget));
    EXPECT_LE(flops, budget);
    EXPECT_LE(loss, best + dearest);
  }
}

}  // namespace
}  // namespace kprune
