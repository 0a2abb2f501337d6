#include "engine/refit/allocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <random>

namespace kprune {
namespace {

using ::testing::ElementsAre;

// Units of one price.
SublayerCurve Even(std::vector<double> losses, double price, int64_t rounding = 1) {
  const auto units = static_cast<int64_t>(losses.size()) - 1;
  return {std::move(losses), EvenPrices(units, price), rounding};
}

TEST(AllocationTest, Examples) {
  // Removing the first unit of the first sublayer costs 1, the second 5; of the other one 2 and 3, at half
  // the FLOPs.
  const std::vector<SublayerCurve> curves = {Even({0, 1, 6}, 2), Even({0, 2, 5}, 1)};
  EXPECT_THAT(AllocateUnits(curves, 6), ElementsAre(2, 2));
  EXPECT_THAT(AllocateUnits(curves, 4), ElementsAre(1, 2));
  EXPECT_THAT(AllocateUnits(curves, 2), ElementsAre(0, 2));
  EXPECT_THAT(AllocateUnits(curves, 1.5), ElementsAre(0, 1));
  EXPECT_THAT(AllocateUnits(curves, 0), ElementsAre(0, 0));
}

TEST(AllocationTest, UnitsThatAreCheapOnlyTogetherLeaveTogether) {
  // The first removal is dear and the second free: both units go, or none.
  const std::vector<SublayerCurve> curves = {Even({0, 4, 4}, 1), Even({0, 3, 6}, 1)};
  EXPECT_THAT(AllocateUnits(curves, 2), ElementsAre(0, 2));
}

TEST(AllocationTest, WhatIsLeftOverIsSpent) {
  // One unit of the first costs 10 FLOPs; where it does not fit, the other's units take its place.
  const std::vector<SublayerCurve> curves = {Even({0, 100}, 10), Even({0, 1, 2, 3, 4, 5}, 1)};
  EXPECT_THAT(AllocateUnits(curves, 9), ElementsAre(0, 5));
  EXPECT_THAT(AllocateUnits(curves, 12), ElementsAre(1, 2));
}

TEST(AllocationTest, PricesMayBeUneven) {
  // The first unit of the first sublayer is dear, and each further one nearly free; the other's are even.
  const std::vector<SublayerCurve> curves = {{{0, 1, 2, 3}, {0, 6, 7, 8}}, Even({0, 2, 4, 6}, 3)};
  EXPECT_THAT(AllocateUnits(curves, 17), ElementsAre(3, 3));
  EXPECT_THAT(AllocateUnits(curves, 9), ElementsAre(0, 3));
  EXPECT_THAT(AllocateUnits(curves, 8), ElementsAre(0, 2));
  EXPECT_THAT(AllocateUnits(curves, 16), ElementsAre(2, 3));
  EXPECT_THAT(AllocateUnits(curves, 15), ElementsAre(1, 3)) << "one unit is what fits beside the other's";
}

TEST(AllocationTest, KeepsMultiplesOrAll) {
  const std::vector<SublayerCurve> curves = {Even({0, 1, 2, 3, 4, 5, 6, 7}, 1, 3),
                                             Even({0, 1, 3, 6, 10}, 1, 2)};
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
      curve.losses = {0};
      for (int unit = 0; unit < 40; ++unit) curve.losses.push_back(curve.losses.back() + random() % 100);
      curve.prices = EvenPrices(40, 1 + random() % 5);
      curve.rounding = 1 + random() % 8;
      all += curve.prices.back();
    }
    const double budget = all * static_cast<double>(1 + random() % 999) / 1000;
    const std::vector<int64_t> kept = AllocateUnits(curves, budget);
    double spent = 0, cheapest_step = std::numeric_limits<double>::infinity();
    for (size_t s = 0; s < kept.size(); ++s) {
      EXPECT_TRUE(kept[s] == 40 || kept[s] % curves[s].rounding == 0) << kept[s];
      spent += curves[s].prices[kept[s]];
      const int64_t next = std::min<int64_t>(40, kept[s] - kept[s] % curves[s].rounding + curves[s].rounding);
      if (kept[s] < 40)
        cheapest_step = std::min(cheapest_step, curves[s].prices[next] - curves[s].prices[kept[s]]);
    }
    EXPECT_LE(spent, budget);
    EXPECT_TRUE(budget - spent < cheapest_step || budget - spent < 1e-3 * budget)
        << budget - spent << " of " << budget << " left";
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
      curve.losses = {0};
      for (double step : steps) curve.losses.push_back(curve.losses.back() + step);
      curve.prices = EvenPrices(4, 1 + random() % 5);
      dearest = std::max(dearest, steps.back());
      all += curve.prices.back();
    }
    const double budget = all * static_cast<double>(random() % 1000) / 1000;
    const auto loss_and_price = [&](const std::vector<int64_t>& kept) {
      double loss = 0, price = 0;
      for (size_t s = 0; s < kept.size(); ++s) {
        loss += curves[s].losses[4 - kept[s]];
        price += curves[s].prices[kept[s]];
      }
      return std::pair(loss, price);
    };
    double best = std::numeric_limits<double>::infinity();
    for (int64_t code = 0; code < 125; ++code) {
      const auto [loss, price] = loss_and_price({code % 5, code / 5 % 5, code / 25});
      if (price <= budget) best = std::min(best, loss);
    }
    const auto [loss, price] = loss_and_price(AllocateUnits(curves, budget));
    EXPECT_LE(price, budget);
    EXPECT_LE(loss, best + dearest);
  }
}

}  // namespace
}  // namespace kprune
