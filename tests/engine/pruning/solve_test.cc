#include "engine/pruning/solve.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace kprune {
namespace {

struct Problem {
  at::Tensor z;  // [tokens, units] float64
  at::Tensor r;  // [tokens, d]

  NormalEquations equations() const { return {z.t().mm(z), z.t().mm(r), r.square().sum().item<double>()}; }
  double residual(const at::Tensor& weights) const { return (r - z.mm(weights)).norm().item<double>(); }
  // The slow twin: least squares by SVD on Z itself, float64.
  at::Tensor svd_solution() const {
    return std::get<0>(at::linalg_lstsq(z, r, /*rcond=*/std::nullopt, "gelsd"));
  }
};

Problem RandomProblem(int64_t tokens, int64_t units) {
  return {at::randn({tokens, units}, at::kDouble), at::randn({tokens, 6}, at::kDouble)};
}

void ExpectAsGoodAsSvd(const Problem& problem, const Solution& solution) {
  const double best = problem.residual(problem.svd_solution());
  EXPECT_LE(problem.residual(solution.weights_Ud), 1.01 * best + 1e-6 * problem.r.norm().item<double>());
  EXPECT_TRUE(at::isfinite(solution.weights_Ud).all().item<bool>());
  EXPECT_NEAR(solution.relative_error,
              problem.residual(solution.weights_Ud) / problem.r.norm().item<double>(), 1e-5);
}

TEST(SolveTest, Examples) {
  const Problem problem = RandomProblem(200, 12);
  const Solution solution = SolveLeastSquares(problem.equations(), at::zeros({12, 6}, at::kDouble));
  EXPECT_EQ(solution.path, "cholesky");
  EXPECT_LT((solution.weights_Ud - problem.svd_solution()).abs().max().item<double>(), 1e-10);
  ExpectAsGoodAsSvd(problem, solution);
}

TEST(SolveTest, EstimatesTheConditionOfTheScaledSystem) {
  Problem problem = RandomProblem(400, 20);
  problem.z.select(1, 3).mul_(1e6);  // scaling makes this harmless
  const NormalEquations equations = problem.equations();
  const at::Tensor scale = equations.gram_UU.diagonal().rsqrt().unsqueeze(1);
  const at::Tensor values = at::linalg_eigvalsh(scale * equations.gram_UU * scale.t());
  const double exact = (values[19] / values[0]).item<double>();
  const Solution solution = SolveLeastSquares(equations, at::zeros({20, 6}, at::kDouble));
  EXPECT_GT(solution.condition, exact / 2);
  EXPECT_LE(solution.condition, exact * 1.0001);
  EXPECT_EQ(solution.path, "cholesky");
}

TEST(SolveTest, DuplicateColumnsLeaveCholeskyAndLoseNothing) {
  Problem problem = RandomProblem(200, 12);
  problem.z.select(1, 5).copy_(problem.z.select(1, 2));
  const Solution solution = SolveLeastSquares(problem.equations(), at::zeros({12, 6}, at::kDouble));
  EXPECT_NE(solution.path, "cholesky");
  ExpectAsGoodAsSvd(problem, solution);
}

TEST(SolveTest, DeadColumnsGetZeroWeights) {
  Problem problem = RandomProblem(200, 12);
  problem.z.select(1, 7).zero_();
  const Solution solution = SolveLeastSquares(problem.equations(), at::ones({12, 6}, at::kDouble));
  EXPECT_EQ(solution.path, "cholesky");
  EXPECT_EQ(solution.weights_Ud[7].abs().max().item<double>(), 0);
  ExpectAsGoodAsSvd(problem, solution);
}

TEST(SolveTest, FewerTokensThanUnitsFitExactly) {
  const Problem problem = RandomProblem(8, 12);
  const Solution solution = SolveLeastSquares(problem.equations(), at::zeros({12, 6}, at::kDouble));
  EXPECT_NE(solution.path, "cholesky");
  ExpectAsGoodAsSvd(problem, solution);
  EXPECT_LT(solution.relative_error, 1e-4);
}

TEST(SolveTest, SumsThatAreNotFiniteKeepTheWeights) {
  NormalEquations equations = RandomProblem(50, 4).equations();
  equations.gram_UU[1][2].fill_(std::numeric_limits<double>::quiet_NaN());
  const at::Tensor current = at::randn({4, 6}, at::kDouble);
  const Solution solution = SolveLeastSquares(equations, current);
  EXPECT_EQ(solution.path, "kept-weights");
  EXPECT_TRUE(at::equal(solution.weights_Ud, current));
}

TEST(SolveTest, NoFeatureAtAllGivesZeros) {
  const Problem problem{at::zeros({30, 5}, at::kDouble), at::randn({30, 6}, at::kDouble)};
  const Solution solution = SolveLeastSquares(problem.equations(), at::zeros({5, 6}, at::kDouble));
  EXPECT_EQ(solution.weights_Ud.abs().max().item<double>(), 0);
  EXPECT_DOUBLE_EQ(solution.relative_error, 1);
}

TEST(SolveTest, RestrictingIsSolvingWithFewerColumns) {
  const Problem problem = RandomProblem(100, 9);
  const at::Tensor some = at::tensor({1, 4, 8}, at::kLong);
  const Problem restricted{problem.z.index_select(1, some), problem.r};
  const Solution solution =
      SolveLeastSquares(problem.equations().Restrict(some), at::zeros({3, 6}, at::kDouble));
  EXPECT_LT((solution.weights_Ud - restricted.svd_solution()).abs().max().item<double>(), 1e-10);
}

}  // namespace
}  // namespace kprune
