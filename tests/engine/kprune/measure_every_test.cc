// Method "kprune" where one measurement decides on several sublayers.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "engine/cost/flops.h"
#include "engine/kprune/kprune.h"
#include "engine/kprune/sublayer_steps.h"
#include "tests/engine/pruning/random_encoder.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

class RowsObserver : public testing::SilentObserver {
 public:
  explicit RowsObserver(size_t cancel_after = 1000) : cancel_after_(cancel_after) {}
  void OnSublayer(const SublayerPruned& row) override { rows.push_back(row); }
  bool cancelled() const override { return rows.size() >= cancel_after_; }

  std::vector<SublayerPruned> rows;

 private:
  const size_t cancel_after_;
};

class MeasureEveryTest : public ::testing::Test {
 protected:
  absl::StatusOr<PruningResult> Prune(int measure_every, ProgressObserver& observer,
                                      Checkpoint* checkpoint = nullptr) {
    return KPrune(encoder_, samples_, budget_, Every(measure_every), plan_, checkpoint, observer);
  }
  static Options Every(int measure_every) { return {.method = "kprune", .measure_every = measure_every}; }
  static void ExpectMeasured(const std::vector<SublayerPruned>& rows, int measure_every) {
    ASSERT_EQ(rows.size(), 6u);
    for (const SublayerPruned& row : rows) {
      EXPECT_EQ(row.measure_seconds > 0, row.index % measure_every == 0) << row.index;
      EXPECT_EQ(row.search_seconds > 0, row.index % measure_every == 0) << row.index;
    }
  }

  const Encoder encoder_ = testing::RandomEncoder({.layers = 3, .hidden = 24, .heads = 4, .neurons = 40});
  const std::vector<Sample> samples_ = testing::RandomSamples(40);
  const FlopsBudget budget_ = *MakeBudget(encoder_.config, 0.5, 7);
  const ExecutionPlan plan_{.batch_tokens = 64};
};

TEST_F(MeasureEveryTest, Examples) {
  for (const int measure_every : {1, 2, 4, 64}) {
    SCOPED_TRACE(measure_every);
    RowsObserver observer;
    const auto result = Prune(measure_every, observer);
    ASSERT_TRUE(result.ok()) << result.status();
    ExpectMeasured(observer.rows, measure_every);
  }
}

// Of every sublayer stay those of whose units the first measurement knew most.
TEST_F(MeasureEveryTest, WhatIsMeasuredOnceDecidesOnAllSublayers) {
  const Options options = Every(64);
  RowsObserver observer;
  SublayerSteps steps(encoder_, samples_, budget_, options, plan_, observer);
  ASSERT_TRUE(steps.Start().ok());
  const auto knowledge = steps.Measure(0, [](double) {});
  ASSERT_TRUE(knowledge.ok()) << knowledge.status();
  const auto result = Prune(64, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  for (int t = 0; t < 6; ++t) {
    const UnitKnowledge& of = (*knowledge)[t];
    std::vector<double> score(of.predictive.size());
    for (size_t u = 0; u < score.size(); ++u)
      score[u] = options.lambda_pred * of.predictive[u] + options.lambda_rep * of.representational[u];
    std::vector<int64_t> best(score.size());
    std::iota(best.begin(), best.end(), 0);
    std::stable_sort(best.begin(), best.end(), [&](int64_t a, int64_t b) { return score[a] > score[b]; });
    const std::vector<int64_t>& kept = result->encoder.sublayers[t].units;
    EXPECT_LT(kept.size(), best.size());
    best.resize(kept.size());
    std::sort(best.begin(), best.end());
    EXPECT_EQ(kept, best) << "sublayer " << t;
  }
}

TEST_F(MeasureEveryTest, ARunThatGoesOnDoesNotMeasureAgainWhatWasDecided) {
  const TempDirectory folder;
  for (size_t k = 1; k < 6; ++k) {
    SCOPED_TRACE(k);
    std::filesystem::remove_all(folder.path());
    const auto open = [&] {
      return *Checkpoint::Open(folder.path(),
                               {.job = {{"test", "every"}}, .threads = 1, .precision = "fp32"});
    };
    RowsObserver stopped(k), resumed;
    EXPECT_TRUE(absl::IsCancelled(Prune(4, stopped, open().get()).status()));
    const auto result = Prune(4, resumed, open().get());
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->resumed_sublayers, static_cast<int>(k));
    ExpectMeasured(resumed.rows, 4);
  }
}

}  // namespace
}  // namespace kprune
