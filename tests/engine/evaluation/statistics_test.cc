#include "engine/evaluation/statistics.h"

#include <cmath>
#include <numeric>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"

namespace kprune {
namespace {

using Values = std::vector<double>;

TEST(StatisticsTest, Examples) {
  // By hand: deviations (-2 -1 0 1 2) and (-1 -2 1 0 2), 8 / sqrt(10 * 10).
  EXPECT_NEAR(PearsonCorrelation({1, 2, 3, 4, 5}, {2, 1, 4, 3, 5}), 0.8, 1e-12);
  // Any rising function has rank correlation 1.
  EXPECT_NEAR(SpearmanCorrelation({1, 2, 3, 4}, {1, 10, 1000, 1e6}), 1, 1e-12);
  // 8 of 10: 0.4901625 .. 0.9433178 (statsmodels, proportion_confint(8, 10, method="wilson")).
  const auto [low, high] = WilsonInterval(8, 10);
  EXPECT_NEAR(low, 0.4901625, 1e-6);
  EXPECT_NEAR(high, 0.9433178, 1e-6);
}

TEST(StatisticsTest, TiesShareTheirMeanRank) {
  // Ranks 0 1.5 1.5 3 and 0 2 1 3: 4.5 / sqrt(4.5 * 5) (scipy.stats.spearmanr: 0.9486832980505138).
  EXPECT_NEAR(SpearmanCorrelation({1, 2, 2, 3}, {1, 3, 2, 4}), 0.9486832980505138, 1e-12);
  // All but one tied: ranks 0.5 0.5 2 and 0 1 2 (scipy: 0.8660254037844387).
  EXPECT_NEAR(SpearmanCorrelation({5, 5, 9}, {1, 2, 3}), 0.8660254037844387, 1e-12);
}

TEST(StatisticsTest, CorrelationsAreSymmetricAndSigned) {
  const Values a = {0.3, -2, 7, 1.5, 4}, b = {1, 0.5, -3, 2, 2.5};
  Values minus_b = b;
  for (double& value : minus_b) value = -3 * value + 11;
  EXPECT_DOUBLE_EQ(PearsonCorrelation(a, b), PearsonCorrelation(b, a));
  EXPECT_NEAR(PearsonCorrelation(a, minus_b), -PearsonCorrelation(a, b), 1e-12);
  EXPECT_NEAR(SpearmanCorrelation(a, minus_b), -SpearmanCorrelation(a, b), 1e-12);
}

TEST(StatisticsTest, AListThatDoesNotVaryCorrelatesWithNothing) {
  EXPECT_EQ(PearsonCorrelation({2, 2, 2}, {1, 2, 3}), 0);
  EXPECT_EQ(SpearmanCorrelation({1, 2, 3}, {4, 4, 4}), 0);
  EXPECT_EQ(PearsonCorrelation({}, {}), 0);
}

TEST(StatisticsTest, WilsonAtTheEdges) {
  EXPECT_EQ(WilsonInterval(0, 0), (std::pair<double, double>(0, 1)));
  // z^2 / (n + z^2) with z = 1.959964: 0.2775328 for n = 10.
  EXPECT_NEAR(WilsonInterval(0, 10).first, 0, 1e-12);
  EXPECT_NEAR(WilsonInterval(0, 10).second, 0.2775328, 1e-6);
  EXPECT_NEAR(WilsonInterval(10, 10).first, 1 - 0.2775328, 1e-6);
  EXPECT_NEAR(WilsonInterval(10, 10).second, 1, 1e-12);
}

TEST(StatisticsTest, TangoOnPublishedExamples) {
  // Airway reactivity of 21 children before and after a transplantation: 1 and 7 changed (Fagerland,
  // Lydersen, Laake: "Recommended tests and confidence intervals for paired binomial proportions", 2014:
  // -0.517, -0.026).
  const auto [low, high] = TangoInterval(1, 7, 21);
  EXPECT_NEAR(low, -0.517, 5e-4);
  EXPECT_NEAR(high, -0.026, 5e-4);
  // The other way round it is the mirror image.
  EXPECT_DOUBLE_EQ(TangoInterval(7, 1, 21).first, -high);
  EXPECT_DOUBLE_EQ(TangoInterval(7, 1, 21).second, -low);
}

// The definition: at both ends the score is 1.96, with the second share at its greatest likelihood, which a
// search over all shares finds without the closed form.
TEST(StatisticsTest, TangoEndsWhereTheScoreIsTheNormalQuantile) {
  for (const auto& [b, c, n] :
       {std::tuple{14, 5, 100}, {12, 2, 50}, {3, 3, 40}, {30, 1, 872}, {40, 20, 160}}) {
    const auto [low, high] = TangoInterval(b, c, n);
    EXPECT_LT(low, static_cast<double>(b - c) / n);
    EXPECT_GT(high, static_cast<double>(b - c) / n);
    for (const double delta : {low, high}) {
      double best = -1e300, share = 0;
      for (double q = std::max(0.0, -delta) + 1e-7; 2 * q + delta < 1; q += 1e-5) {
        const double likelihood =
            b * std::log(q + delta) + c * std::log(q) + (n - b - c) * std::log(1 - 2 * q - delta);
        if (likelihood > best) best = likelihood, share = q;
      }
      const double score = (b - c - n * delta) / std::sqrt(n * (2 * share + delta * (1 - delta)));
      EXPECT_NEAR(std::abs(score), 1.959964, 2e-3) << b << " " << c << " " << n;
    }
  }
}

TEST(StatisticsTest, TangoAtTheEdges) {
  EXPECT_EQ(TangoInterval(0, 0, 0), (std::pair<double, double>(-1, 1)));
  // Without any difference: z^2 / (n + z^2) to both sides, as Wilson's of no hits.
  EXPECT_NEAR(TangoInterval(0, 0, 100).second, WilsonInterval(0, 100).second, 1e-9);
  EXPECT_NEAR(TangoInterval(0, 0, 100).first, -WilsonInterval(0, 100).second, 1e-9);
  for (const int hits : {1, 5, 39, 40})
    EXPECT_NEAR(TangoInterval(hits, 0, 40).second, WilsonInterval(hits, 40).second, 1e-9) << hits;
  EXPECT_NEAR(TangoInterval(40, 0, 40).second, 1, 1e-12);
  EXPECT_GT(TangoInterval(40, 0, 40).first, 0.5);
}

TEST(StatisticsTest, TheLeastSamplesAreTheFirstThatCanShowIt) {
  for (const double share : {0.005, 0.01, 0.02, 0.1, 0.5}) {
    const int64_t least = LeastSamplesFor(share);
    EXPECT_LE(WilsonInterval(0, least).second, share);
    EXPECT_GT(WilsonInterval(0, least - 1).second, share);
  }
  EXPECT_EQ(LeastSamplesFor(0.02), 189);
}

double MeanOf(const std::vector<int64_t>& indices) {
  return std::accumulate(indices.begin(), indices.end(), 0.0) / static_cast<double>(indices.size());
}

TEST(StatisticsTest, BootstrapFindsTheSpreadOfAMean) {
  // The mean of n draws from 0 .. n - 1 has deviation sqrt((n^2 - 1) / 12 / n): 5.77 for n = 400.
  const auto [low, high] = BootstrapInterval(400, MeanOf);
  EXPECT_LT(low, 199.5);
  EXPECT_GT(high, 199.5);
  EXPECT_NEAR((high - low) / (2 * 1.96 * 5.77), 1, 0.15);
  EXPECT_EQ(BootstrapInterval(400, MeanOf), (std::pair<double, double>(low, high)));
}

TEST(StatisticsTest, BootstrapResamplesWithReplacement) {
  bool repeats = false, in_range = true;
  int calls = 0;
  BootstrapInterval(5, [&](const std::vector<int64_t>& indices) {
    std::vector<int> seen(5);
    for (int64_t index : indices) {
      in_range = in_range && index >= 0 && index < 5;
      repeats = repeats || ++seen.at(static_cast<size_t>(index)) > 1;
    }
    ++calls;
    return static_cast<double>(indices.size());
  });
  EXPECT_TRUE(in_range);
  EXPECT_TRUE(repeats);
  EXPECT_EQ(calls, 1000);
  EXPECT_EQ(BootstrapInterval(1, MeanOf), (std::pair<double, double>(0, 0)));
}

}  // namespace
}  // namespace kprune
