#include "engine/refit/removal_order.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/refit/removal_order_on_device.h"
#include "tests/engine/model/compute_device.h"

namespace kprune {
namespace {

using ::testing::ElementsAre;

at::Tensor RandomPositive(int64_t n, int64_t rank) {
  const at::Tensor x = at::randn({n, rank}, at::kDouble);
  return x.mm(x.t()) / static_cast<double>(rank) + 0.01 * at::eye(n, at::kDouble);
}

std::optional<RemovalOrder> OrderOf(const at::Tensor& gram_UU, const at::Tensor& weight_dU,
                                    const at::Tensor& fisher_dd, int64_t unit_width, double damping) {
  return OrderRemovals({{gram_UU, weight_dU, fisher_dd, unit_width}}, damping)[0];
}

TEST(RemovalOrderTest, Examples) {
  // Independent features, one output: unit i costs 1/2 H W_i^2 G_ii, whatever has left before.
  const at::Tensor gram = at::diag(at::tensor({1.0, 4.0, 9.0}, at::kDouble));
  const at::Tensor weight = at::tensor({3.0, 1.0, 2.0}, at::kDouble).view({1, 3});
  const auto order = OrderOf(gram, weight, at::full({1, 1}, 2.0, at::kDouble), 1, 1e-9);
  ASSERT_TRUE(order.has_value());
  EXPECT_THAT(order->units, ElementsAre(1, 0, 2));
  ASSERT_EQ(order->costs.size(), 4u);
  EXPECT_EQ(order->costs[0], 0);
  EXPECT_NEAR(order->costs[1], 4, 1e-6);
  EXPECT_NEAR(order->costs[3], 4 + 9 + 36, 1e-5);
}

TEST(RemovalOrderTest, WhatAnotherFeatureSaysCostsNothing) {
  // Features 0 and 1 are the same: either leaves for next to nothing, the other takes over its weight.
  const at::Tensor gram = at::tensor({1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0}, at::kDouble).view({3, 3});
  const at::Tensor weight = at::tensor({5.0, 5.0, 0.5}, at::kDouble).view({1, 3});
  const auto order = OrderOf(gram, weight, at::eye(1, at::kDouble), 1, 1e-8);
  ASSERT_TRUE(order.has_value());
  EXPECT_LT(order->units[0], 2);
  EXPECT_EQ(order->units[1], 2);
  EXPECT_LT(order->costs[1], 1e-5);
  EXPECT_NEAR(order->costs[3], 0.5 * 100 + 0.125, 1e-3);
}

// The definition, slowly: at every step each candidate is removed and all that is left is refitted from
// scratch. Cost of having removed a set R: 1/2 tr(H dW Gd dW^T) with W_R gone and the others at their best.
struct SlowOrder {
  std::vector<int64_t> units;
  std::vector<double> costs = {0};
};
double LossWithout(const std::vector<int64_t>& gone, const at::Tensor& gram, const at::Tensor& weight,
                   const at::Tensor& fisher) {
  std::vector<int64_t> left;
  for (int64_t i = 0; i < gram.size(0); ++i)
    if (std::find(gone.begin(), gone.end(), i) == gone.end()) left.push_back(i);
  at::Tensor best = at::zeros_like(weight);
  if (!left.empty()) {
    const at::Tensor index = at::tensor(left, at::kLong);
    const at::Tensor cross = weight.mm(gram).index_select(1, index);
    best.index_copy_(1, index,
                     at::linalg_solve(gram.index_select(0, index).index_select(1, index), cross.t()).t());
  }
  const at::Tensor change = best - weight;
  return 0.5 * (fisher.mm(change) * change.mm(gram)).sum().item<double>();
}
SlowOrder OrderSlowly(const at::Tensor& gram, const at::Tensor& weight, const at::Tensor& fisher,
                      int64_t width) {
  SlowOrder order;
  std::vector<int64_t> gone;
  for (int64_t step = 0; step < gram.size(0) / width; ++step) {
    double least = std::numeric_limits<double>::infinity();
    int64_t cheapest = -1;
    for (int64_t u = 0; u < gram.size(0) / width; ++u) {
      if (std::find(order.units.begin(), order.units.end(), u) != order.units.end()) continue;
      std::vector<int64_t> tried = gone;
      for (int64_t i = 0; i < width; ++i) tried.push_back(u * width + i);
      const double loss = LossWithout(tried, gram, weight, fisher);
      if (loss < least) {
        least = loss;
        cheapest = u;
      }
    }
    for (int64_t i = 0; i < width; ++i) gone.push_back(cheapest * width + i);
    order.units.push_back(cheapest);
    order.costs.push_back(least);
  }
  return order;
}

struct Shape {
  int64_t units, width;
};
class RemovalOrderSizeTest : public ::testing::TestWithParam<Shape> {};

// With more units than lazy steps: several flushes and a last one that is short.
TEST_P(RemovalOrderSizeTest, IsTheOrderOfRefittingFromScratch) {
  at::manual_seed(5);
  const auto [units, width] = GetParam();
  const int64_t features = units * width, d = 6;
  const at::Tensor gram = RandomPositive(features, features / 2 + 1), fisher = RandomPositive(d, 3);
  const at::Tensor weight = at::randn({d, features}, at::kDouble);
  constexpr double kDamping = 1e-3;
  const at::Tensor damped = gram + kDamping * gram.diagonal().mean() * at::eye(features, at::kDouble);
  const auto order = OrderOf(gram, weight, fisher, width, kDamping);
  ASSERT_TRUE(order.has_value());
  const SlowOrder slow = OrderSlowly(damped, weight, fisher, width);
  EXPECT_EQ(order->units, slow.units);
  for (size_t k = 0; k < slow.costs.size(); ++k)
    EXPECT_NEAR(order->costs[k], slow.costs[k], 1e-7 * slow.costs.back());
}

INSTANTIATE_TEST_SUITE_P(Shapes, RemovalOrderSizeTest,
                         ::testing::Values(Shape{1, 1}, Shape{48, 1}, Shape{49, 1}, Shape{110, 1},
                                           Shape{5, 4}, Shape{8, 3}),
                         [](const auto& info) {
                           return std::to_string(info.param.units) + "x" + std::to_string(info.param.width);
                         });

// Of several sublayers at once, with more removals than are gathered between two updates of the matrices, and
// a number that they do not divide.
TEST(RemovalOrderTest, OnADeviceItIsTheSame) {
  at::manual_seed(3);
  constexpr int64_t kUnits = 150, kSublayers = 3;
  std::vector<RemovalProblem> problems;
  std::vector<at::Tensor> inverses, losses;
  for (int64_t b = 0; b < kSublayers; ++b) {
    const at::Tensor gram = RandomPositive(kUnits, 200), fisher = RandomPositive(20, 40);
    const at::Tensor weight = at::randn({20, kUnits}, at::kDouble);
    problems.push_back({gram, weight, fisher, 1});
    inverses.push_back(at::linalg_inv(gram + 0.1 * gram.diagonal().mean() * at::eye(kUnits, at::kDouble)));
    losses.push_back(weight.t().mm(fisher.mm(weight)));
  }
  const auto expected = OrderRemovals(problems, 0.1);
  const std::vector<RemovalOrder> orders = OrderSingleFeaturesOnDevice(
      at::stack(inverses).to(testing::ComputeDevice()), at::stack(losses).to(testing::ComputeDevice()));
  ASSERT_EQ(orders.size(), expected.size());
  for (size_t b = 0; b < orders.size(); ++b) {
    ASSERT_TRUE(expected[b].has_value());
    EXPECT_EQ(orders[b].units, expected[b]->units);
    ASSERT_EQ(orders[b].costs.size(), expected[b]->costs.size());
    for (size_t k = 0; k < orders[b].costs.size(); ++k)
      EXPECT_NEAR(orders[b].costs[k], expected[b]->costs[k], 1e-9 * expected[b]->costs.back())
          << b << " " << k;
  }
}

// The same problems on the CPU and where KPRUNE_TEST_DEVICE says, of several sizes and widths at once.
TEST(RemovalOrderTest, EveryProblemGetsItsOwnOrder) {
  at::manual_seed(4);
  std::vector<RemovalProblem> problems, moved;
  for (const auto& [features, width] : {std::pair(70, 1), {12, 3}, {70, 1}, {9, 1}}) {
    problems.push_back({RandomPositive(features, 2 * features), at::randn({5, features}, at::kDouble),
                        RandomPositive(5, 8), width});
    const at::Device device = testing::ComputeDevice();
    const RemovalProblem& last = problems.back();
    moved.push_back({last.gram_UU.to(device), last.weight_dU.to(device), last.fisher_dd.to(device), width});
  }
  const auto together = OrderRemovals(moved, 0.01);
  ASSERT_EQ(together.size(), problems.size());
  for (size_t i = 0; i < problems.size(); ++i) {
    const auto alone = OrderRemovals(absl::MakeConstSpan(problems).subspan(i, 1), 0.01)[0];
    ASSERT_TRUE(alone.has_value() && together[i].has_value());
    EXPECT_EQ(together[i]->units, alone->units) << i;
  }
}

TEST(RemovalOrderTest, FeaturesThatAreAlwaysZeroLeaveFirst) {
  at::Tensor gram = RandomPositive(6, 6);
  gram.select(0, 2).zero_();
  gram.select(1, 2).zero_();
  const auto order = OrderOf(gram, at::randn({3, 6}), at::eye(3, at::kDouble), 1, 0.1);
  ASSERT_TRUE(order.has_value());
  EXPECT_EQ(order->units.size(), 6u);
  const auto nothing =
      OrderOf(at::zeros({4, 4}, at::kDouble), at::randn({3, 4}), at::eye(3, at::kDouble), 2, 0.1);
  ASSERT_TRUE(nothing.has_value());
  EXPECT_THAT(nothing->units, ElementsAre(0, 1));
}

TEST(RemovalOrderTest, NothingIsOrderedByWhatIsNotFinite) {
  at::Tensor gram = RandomPositive(4, 4);
  gram[1][1] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(OrderOf(gram, at::randn({3, 4}), at::eye(3, at::kDouble), 1, 0.1));
  EXPECT_FALSE(OrderOf(RandomPositive(4, 4), at::randn({3, 4}),
                       at::full({3, 3}, std::numeric_limits<double>::infinity(), at::kDouble), 1, 0.1));
}

TEST(RemovalOrderTest, ASublayerWithoutUnitsHasNoOrder) {
  const auto order =
      OrderOf(at::zeros({0, 0}, at::kDouble), at::zeros({3, 0}), at::eye(3, at::kDouble), 1, 0.1);
  ASSERT_TRUE(order.has_value());
  EXPECT_TRUE(order->units.empty());
  EXPECT_THAT(order->costs, ElementsAre(0));
}

}  // namespace
}  // namespace kprune
