#include "engine/kprune/setting_search.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <tuple>

#include "engine/data/draw.h"
#include "engine/evaluation/outputs.h"
#include "engine/kprune/kprune.h"
#include "engine/pruning/objective.h"
#include "tests/engine/pruning/random_encoder.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

// Cancels from the question `cancel_at` on, counts them, and expects progress that never falls.
class CountingObserver : public testing::SilentObserver {
 public:
  explicit CountingObserver(int cancel_at = std::numeric_limits<int>::max()) : cancel_at_(cancel_at) {}

  void OnStage(Stage, double fraction) override {
    EXPECT_GE(fraction, last_fraction);
    EXPECT_LE(fraction, 1);
    last_fraction = fraction;
  }
  void OnSublayer(const SublayerPruned&) override { ++sublayers; }
  bool cancelled() const override { return questions++ >= cancel_at_; }

  double last_fraction = 0;
  int sublayers = 0;
  mutable int questions = 0;

 private:
  const int cancel_at_;
};

class SettingSearchTest : public ::testing::Test {
 protected:
  absl::StatusOr<SettingChoice> Choose(const Options& options, ProgressObserver& observer) {
    return ChooseSetting(encoder_, samples_, Budget(options), options, plan_, checkpoint_.get(), observer);
  }
  absl::StatusOr<PruningResult> Prune(const Options& options, absl::Span<const Sample> samples,
                                      ProgressObserver& observer) {
    return KPrune(encoder_, samples, Budget(options), options, plan_, checkpoint_.get(), observer);
  }
  FlopsBudget Budget(const Options& options) const {
    return *MakeBudget(encoder_.config, options.budgets().front(), 7);
  }
  std::vector<Sample> Take(const std::vector<int64_t>& indices) const {
    std::vector<Sample> taken;
    for (const int64_t i : indices) taken.push_back(samples_[i]);
    return taken;
  }
  void OpenCheckpoint() {
    checkpoint_.reset();
    auto opened =
        Checkpoint::Open(folder_.path(), {.job = {{"test", "settings"}}, .threads = 1, .precision = "fp32"});
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_THAT((*opened)->warnings(), ::testing::IsEmpty());
    checkpoint_ = *std::move(opened);
  }

  Encoder encoder_ = testing::RandomEncoder({.layers = 3, .hidden = 24, .heads = 4, .neurons = 40});
  const std::vector<Sample> samples_ = testing::RandomSamples(60);
  const Options both_ = {.method = "kprune", .keep_flops = {0.4}, .auto_lambda_rep = true, .auto_mu = true};
  const ExecutionPlan plan_{.batch_tokens = 64};
  const TempDirectory folder_;
  std::unique_ptr<Checkpoint> checkpoint_;
};

// What each setting gives by itself, with the same samples pruning and judging, for a task and
// Options::measure_every.
class AloneTest : public SettingSearchTest, public ::testing::WithParamInterface<std::tuple<Task, int>> {};

TEST_P(AloneTest, Examples) {
  const auto [task, measure_every] = GetParam();
  encoder_ = testing::RandomEncoder({.task = task,
                                     .labels = task == Task::kRegression ? 1 : 3,
                                     .layers = 3,
                                     .hidden = 24,
                                     .heads = 4,
                                     .neurons = 40});
  CountingObserver observer;
  Options both = both_;
  both.measure_every = measure_every;
  const auto choice = Choose(both, observer);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->samples, 15) << "a quarter";
  EXPECT_EQ(choice->judged_by, task == Task::kSingleLabel ? "kl" : "squared_error");
  ASSERT_EQ(choice->tried.size(), kLambdaRepGrid.size() + kMuGrid.size() - 1);
  EXPECT_EQ(observer.sublayers, 0) << "the models that are tried are no result";

  const auto draw = DrawSamples(60, 0, 0.25, both_.seed);
  const std::vector<Sample> pruning = Take(draw->pruning), judging = Take(draw->judging);
  TriedSetting best = choice->tried[1];  // the default, of which the others must be better by a fifth
  ASSERT_EQ(best.setting, (Setting{Options().lambda_rep, 1}));
  double needed = 0.8 * best.loss;
  // A measurement for every different choice of units below, of all settings of a round; one for both rounds
  // at the bottom.
  std::set<std::pair<size_t, std::vector<std::vector<int64_t>>>> measured = {{0, {}}};
  for (size_t i = 0; i < choice->tried.size(); ++i) {
    const auto& [setting, loss] = choice->tried[i];
    Options alone = {
        .method = "kprune", .keep_flops = {0.4}, .lambda_rep = setting.lambda_rep, .mu = setting.mu};
    alone.measure_every = measure_every;
    testing::SilentObserver silent;
    const auto result = Prune(alone, pruning, silent);
    ASSERT_TRUE(result.ok()) << result.status();
    const double own = DistillationLoss(task, RunSamples(result->encoder, judging).to(at::kDouble),
                                        RunSamples(encoder_, judging).to(at::kDouble), 1)
                           .item<double>() /
                       15;
    EXPECT_EQ(loss, own) << "lambda_rep " << setting.lambda_rep << ", mu " << setting.mu;
    if (i == kLambdaRepGrid.size()) needed = 0.8 * best.loss;
    if (own < needed) {
      best = {setting, own};
      needed = own;
    }
    std::vector<std::vector<int64_t>> kept;
    for (int t = 0; t + 1 < 6; ++t) {
      kept.push_back(result->encoder.sublayers[t].units);
      if ((t + 1) % measure_every == 0) measured.insert({i / kLambdaRepGrid.size(), kept});
    }
  }
  EXPECT_EQ(choice->chosen, best.setting);
  EXPECT_EQ(choice->measurements, static_cast<int>(measured.size()));
  EXPECT_LT(choice->measurements, 6 * 7) << "settings share";
}

INSTANTIATE_TEST_SUITE_P(Tasks, AloneTest,
                         ::testing::Combine(::testing::Values(Task::kSingleLabel, Task::kRegression,
                                                              Task::kEmbedding),
                                            ::testing::Values(1)));
INSTANTIATE_TEST_SUITE_P(MeasuredLessOften, AloneTest,
                         ::testing::Combine(::testing::Values(Task::kSingleLabel), ::testing::Values(2, 4)));

// Half the neurons write the same value to every dimension, which the norm takes away: the output is blind to
// them, but their K_rep is the largest.
TEST_F(SettingSearchTest, KnowledgeThatTheOutputDoesNotSeeIsGivenNoWeight) {
  for (int t = 1; t < 6; t += 2) {
    Sublayer& sublayer = encoder_.sublayers[t];
    sublayer.out.weight = sublayer.out.weight.clone();
    sublayer.out.weight.narrow(1, 0, 20).fill_(5);
  }
  CountingObserver observer;
  Options options = both_;
  options.seed = 2;  // a split of the samples that lets the judges see it
  options.auto_mu = false;
  const auto chosen = Prune(options, samples_, observer);
  options.auto_lambda_rep = false;
  options.lambda_rep = kLambdaRepGrid.back();
  CountingObserver other;
  const auto blind = Prune(options, samples_, other);
  ASSERT_TRUE(chosen.ok() && blind.ok()) << chosen.status() << blind.status();
  ASSERT_TRUE(chosen->choice);
  EXPECT_LT(chosen->choice->chosen.lambda_rep, kLambdaRepGrid.back());
  EXPECT_LT(chosen->choice->tried.front().loss, chosen->choice->tried.back().loss);
  const auto useless = [](const Encoder& encoder) {
    int64_t count = 0;
    for (int t = 1; t < 6; t += 2) {
      for (const int64_t unit : encoder.sublayers[t].units) count += unit < 20 ? 1 : 0;
    }
    return count;
  };
  EXPECT_LT(useless(chosen->encoder), useless(blind->encoder));
}

TEST_F(SettingSearchTest, TheResultIsThatOfAPlainRunWithTheChosenSetting) {
  CountingObserver observer, plain_observer;
  const auto chosen = Prune(both_, samples_, observer);
  ASSERT_TRUE(chosen.ok() && chosen->choice) << chosen.status();
  const auto plain = Prune({.method = "kprune",
                            .keep_flops = {0.4},
                            .lambda_rep = chosen->choice->chosen.lambda_rep,
                            .mu = chosen->choice->chosen.mu},
                           samples_, plain_observer);
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_FALSE(plain->choice);
  for (int t = 0; t < 6; ++t) {
    EXPECT_EQ(chosen->encoder.sublayers[t].units, plain->encoder.sublayers[t].units);
    EXPECT_TRUE(at::equal(chosen->encoder.sublayers[t].out.weight, plain->encoder.sublayers[t].out.weight));
  }
  EXPECT_EQ(observer.sublayers, 6);
  // What was left to do when the last sublayer was tuned is a smaller part of more work.
  EXPECT_NEAR(1 - observer.last_fraction,
              (1 - plain_observer.last_fraction) / (1 + CostOfChoosing(both_, samples_.size())), 1e-9);
}

TEST_F(SettingSearchTest, OnlyWhatIsAutoIsChosen) {
  CountingObserver observer;
  Options options = both_;
  options.auto_mu = false;
  options.mu = 3;
  const auto lambda_rep = Choose(options, observer);
  ASSERT_TRUE(lambda_rep.ok());
  EXPECT_EQ(lambda_rep->tried.size(), kLambdaRepGrid.size());
  for (const TriedSetting& tried : lambda_rep->tried) EXPECT_EQ(tried.setting.mu, 3);

  CountingObserver another;
  const auto mu = Choose({.method = "kprune", .lambda_rep = 0.02, .auto_mu = true}, another);
  ASSERT_TRUE(mu.ok());
  EXPECT_EQ(mu->tried.size(), kMuGrid.size());
  for (const TriedSetting& tried : mu->tried) EXPECT_EQ(tried.setting.lambda_rep, 0.02);
}

TEST_F(SettingSearchTest, ARunThatGoesOnChoosesAndPrunesAsOneThatWasNeverInterrupted) {
  CountingObserver uninterrupted;
  const auto expected = Prune(both_, samples_, uninterrupted);
  ASSERT_TRUE(expected.ok()) << expected.status();
  std::set<size_t> noted;
  for (int part = 1; part < 8; ++part) {
    SCOPED_TRACE(part);
    std::filesystem::remove_all(folder_.path());
    OpenCheckpoint();
    CountingObserver stopped(uninterrupted.questions * part / 8), resumed;
    ASSERT_EQ(Prune(both_, samples_, stopped).status().code(), absl::StatusCode::kCancelled);
    EXPECT_LE(stopped.questions, uninterrupted.questions * part / 8 + 1) << "stops at once";
    OpenCheckpoint();
    noted.insert(checkpoint_->notes().size());
    const auto result = Prune(both_, samples_, resumed);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_LE(result->choice->measurements, expected->choice->measurements);
    EXPECT_EQ(result->choice->tried, expected->choice->tried);
    EXPECT_EQ(result->choice->chosen, expected->choice->chosen);
    for (int t = 0; t < 6; ++t) {
      EXPECT_TRUE(
          at::equal(result->encoder.sublayers[t].out.weight, expected->encoder.sublayers[t].out.weight));
    }
  }
  EXPECT_GT(noted.size(), 3u) << "interrupted before, between and after settings";
  checkpoint_.reset();
}

TEST_F(SettingSearchTest, WhatWasChosenIsNotChosenAgain) {
  OpenCheckpoint();
  CountingObserver first, second;
  ASSERT_TRUE(Choose(both_, first).ok());
  OpenCheckpoint();
  const auto again = Choose(both_, second);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->measurements, 0);
  EXPECT_EQ(second.questions, 0);
}

TEST_F(SettingSearchTest, TooFewSamplesAreRefused) {
  CountingObserver observer;
  for (const size_t count : {31u, 32u}) {
    const auto result = ChooseSetting(encoder_, absl::MakeConstSpan(samples_).subspan(0, count),
                                      Budget(both_), both_, plan_, nullptr, observer);
    EXPECT_EQ(result.ok(), count == 32);
    if (result.ok()) continue;
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(result.status().message()),
                HasSubstr("auto_lambda_rep needs at least 32 samples to prune with, and there are 31"));
  }
  EXPECT_TRUE(CheckEnoughToChoose({.method = "kprune"}, 1).ok());
}

TEST_F(SettingSearchTest, ItCostsAsManyRunsAsThereAreSettings) {
  EXPECT_DOUBLE_EQ(CostOfChoosing({.method = "kprune"}, 100), 0);
  EXPECT_DOUBLE_EQ(CostOfChoosing(both_, 100),
                   0.75 * static_cast<double>(kLambdaRepGrid.size() + kMuGrid.size() - 1));
  EXPECT_DOUBLE_EQ(CostOfChoosing({.method = "kprune", .auto_mu = true}, 1280), 0.9 * kMuGrid.size());
}

TEST(SettingChoiceTest, TriedSettingsComeBackBitForBit) {
  const std::vector<TriedSetting> tried = {{{2.5e-4, 1}, 0.1234567890123456789},
                                           {{0, 64}, std::numeric_limits<double>::infinity()}};
  const auto read = ParseTriedSettings(nlohmann::json::parse(ToJson(tried).dump()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, tried);
  for (const char* bad : {"3", R"([{"mu": 1}])", R"([{"lambda_rep": "x", "mu": 1, "loss": 1}])"}) {
    EXPECT_EQ(ParseTriedSettings(nlohmann::json::parse(bad)).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace kprune
