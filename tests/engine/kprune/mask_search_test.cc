#include "engine/kprune/mask_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace kprune {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MaskSearchTest, Examples) {
  // Two heads of 10 FLOPs below three neurons of 2: by score 0.9 (head), 0.8, 0.7 (neurons), 0.6 (head), 0.5
  // (neuron).
  const std::vector<SublayerScores> remaining = {{{0.6, 0.9}, 10}, {{0.8, 0.5, 0.7}, 2}};
  EXPECT_THAT(SearchBottomSublayer(remaining, 26), ElementsAre(0, 1)) << "everything fits";
  EXPECT_THAT(SearchBottomSublayer(remaining, 24), ElementsAre(0, 1)) << "all but the last neuron";
  EXPECT_THAT(SearchBottomSublayer(remaining, 23), ElementsAre(1)) << "the second head no longer fits";
  EXPECT_THAT(SearchBottomSublayer(remaining, 9), IsEmpty()) << "not even the best unit fits";
}

TEST(MaskSearchTest, FillsABudgetThatUnitsMeetExactlyInSpiteOfRounding) {
  SublayerScores neurons{std::vector<double>(1000, 1.0), 0.1};  // the running sum of 0.1 rounds upwards
  EXPECT_EQ(SearchBottomSublayer({neurons}, 100.0).size(), 1000u);
}

TEST(MaskSearchTest, BreaksTiesByPosition) {
  EXPECT_THAT(SearchBottomSublayer({{{1, 1, 1}, 1}, {{1, 1}, 1}}, 2), ElementsAre(0, 1));
}

TEST(MaskSearchTest, RoundsToTheNearestMultipleThatFits) {
  // Without rounding five neurons and the head stay.
  const SublayerScores neurons{{1, 9, 8, 7, 6, 5}, 1}, head{{4}, 3};
  EXPECT_THAT(SearchBottomSublayer({neurons, head}, 8), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(SearchBottomSublayer({neurons, head}, 8, 2), ElementsAre(1, 2, 3, 4)) << "the lower one of two";
  EXPECT_THAT(SearchBottomSublayer({neurons, head}, 8, 3), ElementsAre(0, 1, 2, 3, 4, 5)) << "the nearer one";
  EXPECT_THAT(SearchBottomSublayer({neurons, head}, 5, 3), ElementsAre(1, 2, 3)) << "six do not fit";
  EXPECT_THAT(SearchBottomSublayer({neurons}, 5, 3), ElementsAre(1, 2, 3)) << "nothing above takes the rest";
  EXPECT_THAT(SearchBottomSublayer({neurons, head}, 1, 4), IsEmpty()) << "not one step fits";
  EXPECT_THAT(SearchBottomSublayer({{{9, 1, 1, 1, 1, 1, 1, 1}, 1}, {{8, 8, 8}, 1}}, 4, 4),
              ElementsAre(0, 1, 2, 3))
      << "a sublayer does not vanish by rounding";
}

// The slow twin: adds units one by one, each time scanning for the best one left.
Selection SearchOneByOne(std::vector<SublayerScores> remaining, double budget) {
  Selection kept;
  std::vector<std::vector<bool>> taken;
  for (const auto& sublayer : remaining) taken.emplace_back(sublayer.scores.size(), false);
  double flops = 0;
  while (true) {
    int best_s = -1;
    size_t best_u = 0;
    for (size_t s = 0; s < remaining.size(); ++s) {
      for (size_t u = 0; u < remaining[s].scores.size(); ++u) {
        if (!taken[s][u] && (best_s < 0 || remaining[s].scores[u] > remaining[best_s].scores[best_u])) {
          best_s = static_cast<int>(s);
          best_u = u;
        }
      }
    }
    if (best_s < 0 || flops + remaining[best_s].unit_flops > budget) break;
    flops += remaining[best_s].unit_flops;
    taken[best_s][best_u] = true;
  }
  for (size_t u = 0; u < taken[0].size(); ++u) {
    if (taken[0][u]) kept.push_back(static_cast<int64_t>(u));
  }
  return kept;
}

TEST(MaskSearchTest, AgreesWithTakingTheBestUnitOneByOne) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(0, 1);
  int partly_kept = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<SublayerScores> remaining;
    double total = 0;
    for (int s = 0; s < 1 + round % 4; ++s) {
      SublayerScores sublayer{std::vector<double>(1 + random() % 12), s % 2 == 0 ? 7.0 : 2.0};
      for (double& score : sublayer.scores) score = uniform(random);
      total += sublayer.unit_flops * static_cast<double>(sublayer.scores.size());
      remaining.push_back(sublayer);
    }
    const double budget = total * uniform(random);
    const Selection kept = SearchBottomSublayer(remaining, budget);
    EXPECT_EQ(kept, SearchOneByOne(remaining, budget)) << "round " << round;
    partly_kept += !kept.empty() && kept.size() < remaining[0].scores.size();
  }
  EXPECT_GT(partly_kept, 30) << "the rounds must not all be trivial";
}

}  // namespace
}  // namespace kprune
