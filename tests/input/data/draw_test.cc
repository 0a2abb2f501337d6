#include "engine/data/draw.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

using testing::HasSubstr;

SampleDraw Draw(int64_t available, int64_t samples, double holdout, uint32_t seed = 0) {
  absl::StatusOr<SampleDraw> draw = DrawSamples(available, samples, holdout, seed);
  EXPECT_TRUE(draw.ok()) << draw.status();
  return draw.ok() ? *draw : SampleDraw{};
}

// Rising, within range, and nothing in both.
void ExpectSound(const SampleDraw& draw, int64_t available) {
  std::set<int64_t> seen;
  for (const std::vector<int64_t>& list : {draw.pruning, draw.judging}) {
    EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
    for (int64_t index : list) {
      EXPECT_GE(index, 0);
      EXPECT_LT(index, available);
      EXPECT_TRUE(seen.insert(index).second) << index << " was drawn twice";
    }
  }
}

TEST(DrawTest, Examples) {
  // 100 of 1000 lines prune, and 10 of the others judge.
  const SampleDraw draw = Draw(1000, 100, 0.1);
  EXPECT_EQ(draw.pruning.size(), 100u);
  EXPECT_EQ(draw.judging.size(), 10u);
  ExpectSound(draw, 1000);

  // Without a choice of lines the judging ones come out of those that there are.
  const SampleDraw all = Draw(50, 0, 0.2);
  EXPECT_EQ(all.pruning.size(), 40u);
  EXPECT_EQ(all.judging.size(), 10u);
  ExpectSound(all, 50);
}

TEST(DrawTest, TheSeedDecides) {
  const SampleDraw first = Draw(500, 50, 0.1, 7), again = Draw(500, 50, 0.1, 7),
                   other = Draw(500, 50, 0.1, 8);
  EXPECT_EQ(first.pruning, again.pruning);
  EXPECT_EQ(first.judging, again.judging);
  EXPECT_NE(first.pruning, other.pruning);
  EXPECT_NE(first.judging, other.judging);
}

TEST(DrawTest, TheDrawIsTheSameOnEveryMachine) {
  // From an independent implementation (in Python) of the same generator and shuffle.
  EXPECT_EQ(Draw(12, 4, 0.25, 3).pruning, Draw(12, 4, 0, 3).pruning);
  EXPECT_EQ(Draw(12, 4, 0.25, 3).pruning, (std::vector<int64_t>{0, 2, 4, 10}));
}

TEST(DrawTest, EveryLineHasItsChance) {
  std::vector<int> drawn(20);
  for (uint32_t seed = 0; seed < 400; ++seed) {
    for (int64_t index : Draw(20, 5, 0, seed).pruning) ++drawn[index];
  }
  // 400 * 5 / 20 = 100 each, deviation 8.7.
  for (int count : drawn) EXPECT_NEAR(count, 100, 40);
}

TEST(DrawTest, AtMost512LinesJudge) {
  EXPECT_EQ(Draw(100000, 0, 0.5).judging.size(), 512u);
  EXPECT_EQ(Draw(100000, 0, 0.5).pruning.size(), 99488u);
  EXPECT_EQ(Draw(100000, 20000, 0.1).judging.size(), 512u);
}

TEST(DrawTest, AskingForMoreThanThereIsTakesAll) {
  const SampleDraw draw = Draw(10, 1000, 0);
  EXPECT_EQ(draw.pruning, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_TRUE(draw.judging.empty());
}

TEST(DrawTest, JudgingLinesComeOutOfTheDrawnOnesWhereTooFewAreLeft) {
  // 95 drawn, 10 to judge, only 5 left: 85 prune.
  const SampleDraw draw = Draw(100, 95, 0.1);
  EXPECT_EQ(draw.pruning.size(), 85u);
  EXPECT_EQ(draw.judging.size(), 10u);
  ExpectSound(draw, 100);
}

TEST(DrawTest, RefusesWhenNothingIsLeftToPruneWith) {
  const absl::Status status = DrawSamples(2, 0, 0.9, 0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("holdout 0.9 leaves none of the 2 samples"));
  EXPECT_EQ(DrawSamples(0, 0, 0, 0).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DrawLinesTest, AllSequencesOfALineGoTogether) {
  // Lines of 1, 2, 3, 1, 2, 3 ... sequences.
  std::vector<Sample> set;
  for (int line = 1; line <= 30; ++line) {
    for (int i = 0; i <= (line - 1) % 3; ++i) {
      Sample& sample = set.emplace_back();
      sample.line = line;
    }
  }
  const absl::StatusOr<SampleDraw> draw = DrawLines(set, /*lines=*/12, /*holdout=*/0.5, /*seed=*/3);
  ASSERT_TRUE(draw.ok()) << draw.status();
  const auto lines_of = [&](const std::vector<int64_t>& drawn) {
    std::map<int64_t, int> lines;
    for (const int64_t i : drawn) ++lines[set[i].line];
    return lines;
  };
  const auto pruning = lines_of(draw->pruning), judging = lines_of(draw->judging);
  EXPECT_EQ(pruning.size(), 12u);
  EXPECT_EQ(judging.size(), 6u);
  for (const auto& [line, sequences] : pruning) {
    EXPECT_EQ(sequences, 1 + (line - 1) % 3) << line;
    EXPECT_FALSE(judging.contains(line));
  }
}

}  // namespace
}  // namespace kprune
