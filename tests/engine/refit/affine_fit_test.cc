#include "engine/refit/affine_fit.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace kprune {
namespace {

at::Tensor Current(int64_t columns, int64_t targets) { return at::zeros({columns, targets}, at::kDouble); }

TEST(AffineFitTest, Examples) {
  // r = 2 z + 5, exactly.
  AffineEquations equations(1, 1, /*ridge=*/0, at::kFloat, at::kCPU);
  const at::Tensor z = at::tensor({1.0, 2.0, 4.0}, at::kDouble).view({3, 1});
  equations.Add(z, 2 * z + 5, {});
  const AffineFit fit = equations.Solve(Current(1, 1));
  EXPECT_NEAR(fit.weights_Ud.item<double>(), 2, 1e-12);
  EXPECT_NEAR(fit.constant_d.item<double>(), 5, 1e-12);
  EXPECT_EQ(fit.solution.path, "cholesky");
  EXPECT_NEAR(fit.solution.relative_error, 0, 1e-7);
}

// The slow twin: a column of ones beside z, rows times the roots of their weights, a ridge on all columns but
// the ones, solved as one system.
TEST(AffineFitTest, EqualsTheSystemWithAColumnOfOnes) {
  at::manual_seed(2);
  const at::Tensor z = at::randn({200, 7}) + 3, r = at::randn({200, 4}, at::kDouble) + z.sum(1, true);
  const at::Tensor v = at::rand({200}, at::kDouble) * 4;
  constexpr double kRidge = 0.9 * kFasterProducts;
  AffineEquations equations(7, 4, kRidge, at::kFloat, at::kCPU);
  for (const auto& [begin, end] : {std::pair(0, 150), std::pair(150, 200)})
    equations.Add(z.slice(0, begin, end), r.slice(0, begin, end), v.slice(0, begin, end));
  const AffineFit fit = equations.Solve(Current(7, 4));

  const at::Tensor wide = at::cat({z.to(at::kDouble), at::ones({200, 1}, at::kDouble)}, 1);
  const at::Tensor weighted = wide * v.unsqueeze(1);
  at::Tensor gram = wide.t().mm(weighted);
  const at::Tensor diagonal = gram.diagonal().narrow(0, 0, 7);
  diagonal.add_(kRidge * diagonal.mean());
  const at::Tensor expected = at::linalg_solve(gram, weighted.t().mm(r));
  EXPECT_LT((fit.weights_Ud - expected.narrow(0, 0, 7)).abs().max().item<double>(), 1e-9);
  EXPECT_LT((fit.constant_d - expected.select(0, 7)).abs().max().item<double>(), 1e-9);
  const at::Tensor rest = r - wide.mm(expected);
  const double error = std::sqrt((rest.square() * v.unsqueeze(1)).sum().item<double>() /
                                 (r.square() * v.unsqueeze(1)).sum().item<double>());
  EXPECT_NEAR(fit.solution.relative_error, error, 1e-9);
}

TEST(AffineFitTest, WithoutColumnsTheConstantIsTheWeightedMean) {
  AffineEquations equations(0, 2, 1e-3, at::kFloat, at::kCPU);
  equations.Add(at::empty({2, 0}), at::tensor({1.0, 10.0, 4.0, 40.0}, at::kDouble).view({2, 2}),
                at::tensor({2.0, 1.0}, at::kDouble));
  const AffineFit fit = equations.Solve(Current(0, 2));
  EXPECT_TRUE(at::allclose(fit.constant_d, at::tensor({2.0, 20.0}, at::kDouble)));
  EXPECT_EQ(fit.weights_Ud.size(0), 0);
  EXPECT_EQ(fit.solution.path, "empty");
}

TEST(AffineFitTest, WhatIsNotFiniteKeepsTheCurrentWeights) {
  AffineEquations equations(2, 1, 1e-3, at::kFloat, at::kCPU);
  equations.Add(at::full({3, 2}, std::numeric_limits<float>::infinity()), at::ones({3, 1}, at::kDouble), {});
  EXPECT_EQ(equations.Solve(Current(2, 1)).solution.path, "kept-weights");
}

}  // namespace
}  // namespace kprune
