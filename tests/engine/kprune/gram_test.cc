#include "engine/kprune/gram.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace kprune {
namespace {

TEST(GramAccumulatorTest, Examples) {
  GramAccumulator gram(2, at::kCPU);
  gram.Add(at::tensor({1.0, 2.0}, at::kDouble).view({1, 2}));
  gram.Add(at::tensor({3.0, 4.0, 0.0, 1.0}, at::kDouble).view({2, 2}));
  EXPECT_TRUE(at::equal(gram.Matrix(), at::tensor({10.0, 14.0, 14.0, 21.0}, at::kDouble).view({2, 2})));
}

class GramSizeTest : public ::testing::TestWithParam<int64_t> {};

TEST_P(GramSizeTest, EqualsThePlainProductOfAllRows) {
  const int64_t columns = GetParam();
  const at::Tensor rows = at::randn({97, columns}, at::kDouble);
  GramAccumulator gram(columns, at::kCPU);
  for (const at::Tensor& piece : rows.split(40)) gram.Add(piece);
  const at::Tensor plain = rows.t().mm(rows);
  EXPECT_LT((gram.Matrix() - plain).abs().max().item<double>(), 1e-10);
  EXPECT_TRUE(at::equal(gram.Matrix(), gram.Matrix().t()));
}

INSTANTIATE_TEST_SUITE_P(OneBlockAndSeveral, GramSizeTest, ::testing::Values(1, 5, 255, 256, 257, 600));

}  // namespace
}  // namespace kprune
