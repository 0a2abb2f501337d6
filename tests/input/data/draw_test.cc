#include "engine/data/draw.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/input/data/small_tokenizer.h"

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
  // From an independent implementation (in Python) of the same hash.
  EXPECT_EQ(Draw(12, 4, 0.25, 3).pruning, Draw(12, 4, 0, 3).pruning);
  EXPECT_EQ(Draw(12, 4, 0.25, 3).pruning, (std::vector<int64_t>{0, 4, 8, 11}));
  EXPECT_EQ(DrawKey(3, 0), 5629846650018757432u);
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

// Lines "good" and "bad" by turns, of which the number is told by Sample::line.
class DrawnLinesTest : public SmallTokenizerTest {
 protected:
  std::filesystem::path Lines(int count, const char* name = "a.jsonl") {
    std::string lines;
    for (int i = 0; i < count; ++i) lines += i % 2 == 0 ? "{\"text\": \"good\"}\n" : "{\"text\": \"bad\"}\n";
    return Write(name, lines);
  }

  static std::vector<int64_t> LinesOf(const SampleSet& set, const std::vector<int64_t>& drawn) {
    std::vector<int64_t> lines;
    for (const int64_t i : drawn) lines.push_back(set.samples[i].line - 1);
    return lines;
  }
};

TEST_F(DrawnLinesTest, AStreamOfLinesIsDrawnFromAsAListIs) {
  for (const auto& [lines, samples, holdout] : {std::tuple(1000, 50, 0.2), std::tuple(100, 95, 0.1),
                                                std::tuple(10, 20, 0.5), std::tuple(5000, 0, 0.1)}) {
    const LineChoice choice = {samples, holdout, /*seed=*/5};
    const absl::StatusOr<SampleSet> set = Read({Lines(lines)}, choice);
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_EQ(set->available, lines);
    if (samples > 0) {
      EXPECT_LE(static_cast<int64_t>(set->samples.size()), MostDrawn(samples, holdout));
    }
    const absl::StatusOr<SampleDraw> streamed = DrawLines(*set, choice);
    ASSERT_TRUE(streamed.ok()) << streamed.status();
    const SampleDraw listed = Draw(lines, samples, holdout, 5);
    EXPECT_EQ(LinesOf(*set, streamed->pruning), listed.pruning);
    EXPECT_EQ(LinesOf(*set, streamed->judging), listed.judging);
  }
}

TEST_F(DrawnLinesTest, FilesAreDrawnFromTogether) {
  const absl::StatusOr<SampleSet> set = Read({Lines(600), Lines(400, "b.jsonl")}, {100, 0, 5});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->lines, Draw(1000, 100, 0, 5).pruning);
  EXPECT_EQ(set->available, 1000);
}

TEST_F(DrawnLinesTest, ReadingMayEndEarly) {
  const absl::StatusOr<SampleSet> set = Read({Lines(600), Lines(400, "b.jsonl")}, {100, 0, 5, 700});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->lines, Draw(700, 100, 0, 5).pruning);
  EXPECT_EQ(set->available, 700);
}

TEST_F(DrawnLinesTest, NothingIsSaidOfLinesThatAreNotDrawn) {
  std::string lines(2 * kMaxLineBytes, ' ');
  for (int i = 0; i < 20; ++i) lines += "\n{\"broken\"";
  lines += "\n{\"text\": \"good\"}\n";
  int accepted = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const absl::StatusOr<SampleSet> set = Read({Write("a.jsonl", lines)}, {1, 0, seed});
    if (!set.ok()) continue;
    ++accepted;
    EXPECT_EQ(set->samples[0].line, 22);
  }
  // 200 / 22 in the mean.
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 40);
  EXPECT_FALSE(Read({Write("a.jsonl", lines)}).ok());
}

}  // namespace
}  // namespace kprune
