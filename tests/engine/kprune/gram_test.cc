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

TEST_P(GramSizeTest, SumsOf16BitFeaturesAreExactToFloat32WithinABlockOfRows) {
  const int64_t columns = GetParam();
  const at::Tensor rows = at::randn({700, columns}).to(at::kBFloat16).to(at::kFloat);
  GramAccumulator gram(columns, at::kCPU);
  for (const at::Tensor& piece : rows.split(300)) gram.Add(piece);
  const at::Tensor plain = rows.to(at::kDouble).t().mm(rows.to(at::kDouble));
  EXPECT_LT((gram.Matrix() - plain).abs().max().item<double>(), 2e-6 * plain.diagonal().max().item<double>());
}

INSTANTIATE_TEST_SUITE_P(OneBlockAndSeveral, GramSizeTest, ::testing::Values(1, 5, 255, 256, 257, 600));

}  // namespace
}  // namespace kprune
