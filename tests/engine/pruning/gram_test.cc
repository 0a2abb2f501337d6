#include "engine/pruning/gram.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace kprune {
namespace {

TEST(GramAccumulatorTest, Examples) {
  GramAccumulator gram(2, 1, at::kCPU);
  gram.Add(at::tensor({1.0, 2.0}, at::kDouble).view({1, 2}), at::tensor({1.0}, at::kDouble).view({1, 1}));
  gram.Add(at::tensor({3.0, 4.0, 0.0, 1.0}, at::kDouble).view({2, 2}),
           at::tensor({0.0, -1.0}, at::kDouble).view({2, 1}));
  EXPECT_TRUE(at::equal(gram.Matrix(), at::tensor({10.0, 14.0, 14.0, 21.0}, at::kDouble).view({2, 2})));
  EXPECT_TRUE(at::equal(gram.Cross(), at::tensor({1.0, 1.0}, at::kDouble).view({2, 1})));
}

class GramSizeTest : public ::testing::TestWithParam<std::tuple<int64_t, at::ScalarType>> {};

// As the plain product of all rows in float64: what float32 sums of them would miss is a thousand times the
// bound.
TEST_P(GramSizeTest, EqualsThePlainProductOfAllRows) {
  const auto [columns, type] = GetParam();
  const at::Tensor rows = at::randn({597, columns}, at::kDouble).to(type),
                   targets = at::randn({597, 19}, at::kDouble);
  GramAccumulator gram(columns, 19, at::kCPU);
  for (const auto& [begin, end] : {std::pair(0, 40), std::pair(40, 340), std::pair(340, 597)})
    gram.Add(rows.slice(0, begin, end), targets.slice(0, begin, end));
  const at::Tensor wide = rows.to(at::kDouble);
  EXPECT_LT((gram.Matrix() - wide.t().mm(wide)).abs().max().item<double>(), 1e-10);
  EXPECT_TRUE(at::equal(gram.Matrix(), gram.Matrix().t()));
  EXPECT_LT((gram.Cross() - wide.t().mm(targets)).abs().max().item<double>(), 1e-10);
}

TEST_P(GramSizeTest, WeighsRows) {
  const auto [columns, type] = GetParam();
  const at::Tensor rows = at::randn({300, columns}, at::kDouble).to(type),
                   targets = at::randn({300, 3}, at::kDouble), weights = at::rand({300}, at::kDouble) * 5;
  weights[17] = 0;
  GramAccumulator gram(columns, 3, at::kCPU);
  for (const auto& [begin, end] : {std::pair(0, 260), std::pair(260, 300)})
    gram.Add(rows.slice(0, begin, end), targets.slice(0, begin, end), weights.slice(0, begin, end));
  const at::Tensor wide = rows.to(at::kDouble), weighted = wide * weights.unsqueeze(1);
  EXPECT_LT((gram.Matrix() - wide.t().mm(weighted)).abs().max().item<double>(), 1e-10);
  EXPECT_LT((gram.Cross() - weighted.t().mm(targets)).abs().max().item<double>(), 1e-10);
}

TEST_P(GramSizeTest, FasterProductsAreNear) {
  const auto [columns, type] = GetParam();
  const at::Tensor rows = at::randn({700, columns}, at::kDouble).to(type),
                   targets = at::randn({700, 33}, at::kDouble), weights = at::rand({700}, at::kDouble) * 5;
  using Products = GramAccumulator::Products;
  GramAccumulator exact(columns, 33, at::kCPU);
  exact.Add(rows, targets, weights);
  for (const auto& [products, error] :
       {std::pair(Products::kSingle, 2e-6), std::pair(Products::kBFloat16, 4e-3)}) {
    GramAccumulator near(columns, 33, at::kCPU, products);
    near.Add(rows, targets, weights);
    EXPECT_LT((exact.Matrix() - near.Matrix()).norm().item<double>(),
              error * exact.Matrix().norm().item<double>());
    EXPECT_LT((exact.Cross() - near.Cross()).norm().item<double>(),
              error * exact.Cross().norm().item<double>());
  }
}

TEST(GramAccumulatorTest, TakesViewsAndNoRowsAtAll) {
  const at::Tensor transposed = at::randn({7, 30}, at::kDouble).t(),
                   targets = at::randn({30, 2}, at::kDouble);
  GramAccumulator gram(7, 2, at::kCPU);
  gram.Add(transposed, targets);
  gram.Add(at::empty({0, 7}, at::kDouble), at::empty({0, 2}, at::kDouble));
  EXPECT_LT((gram.Matrix() - transposed.t().mm(transposed)).abs().max().item<double>(), 1e-10);
  EXPECT_THROW(gram.Add(targets, targets), c10::Error) << "other columns";
}

TEST(GramAccumulatorTest, DoesNotDependOnTheNumberOfThreads) {
  const at::Tensor rows = at::randn({300, 77}), targets = at::randn({300, 20}, at::kDouble);
  const int before = at::get_num_threads();
  std::vector<at::Tensor> found;
  for (const int threads : {1, 3}) {
    at::set_num_threads(threads);
    GramAccumulator gram(77, 20, at::kCPU);
    gram.Add(rows, targets);
    found.push_back(at::cat({gram.Matrix(), gram.Cross()}, 1));
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(found[0], found[1]));
}

INSTANTIATE_TEST_SUITE_P(ColumnsAndTypes, GramSizeTest,
                         ::testing::Combine(::testing::Values(1, 5, 16, 17, 257, 600),
                                            ::testing::Values(at::kFloat, at::kBFloat16, at::kDouble)));

}  // namespace
}  // namespace kprune
