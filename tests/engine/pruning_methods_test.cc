// What every pruning method promises.
#include "engine/pruning_methods.h"

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "engine/cost/flops.h"
#include "engine/evaluation/outputs.h"
#include "tests/engine/method_forms.h"
#include "tests/engine/model/compute_device.h"
#include "tests/engine/pruning/random_encoder.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

class RecordingObserver : public testing::SilentObserver {
 public:
  void OnStage(Stage, double fraction) override {
    EXPECT_GE(fraction, last_fraction);
    EXPECT_LE(fraction, 1);
    last_fraction = fraction;
  }
  void OnSublayer(const SublayerPruned& sublayer) override { sublayers.push_back(sublayer); }
  void OnWarning(const std::string& message) override { warnings.push_back(message); }
  bool cancelled() const override { return static_cast<int>(sublayers.size()) >= cancel_after; }

  std::vector<SublayerPruned> sublayers;
  std::vector<std::string> warnings;
  double last_fraction = 0;
  int cancel_after = 1000;
};

class MethodTest : public ::testing::TestWithParam<const char*> {
 protected:
  absl::StatusOr<PruningResult> Prune(const Encoder& encoder, Options options, ProgressObserver& observer) {
    options = testing::InForm(options, GetParam());
    const auto budget = MakeBudget(encoder.config, options.budgets().front(), 7);
    if (!budget.ok()) return budget.status();
    return PruneByMethod(encoder, samples_, *budget, options, plan_, checkpoint_.get(), observer);
  }

  static bool auto_setting() { return testing::InForm({}, GetParam()).chooses_setting(); }

  // Opens the checkpoint in the test's folder, as a run that starts there does.
  void OpenCheckpoint() {
    checkpoint_.reset();
    auto opened =
        Checkpoint::Open(folder_.path(), {.job = {{"test", "kprune"}}, .threads = 1, .precision = "fp32"});
    ASSERT_TRUE(opened.ok()) << opened.status();
    checkpoint_ = *std::move(opened);
  }

  const Encoder encoder_ = testing::RandomEncoder({.layers = 3, .hidden = 24, .heads = 4, .neurons = 40});
  const std::vector<Sample> samples_ = testing::RandomSamples(40);
  const TempDirectory folder_;
  ExecutionPlan plan_{.batch_tokens = 64};
  std::unique_ptr<Checkpoint> checkpoint_;
};

void ExpectSameBits(const PruningResult& a, const PruningResult& b) {
  for (int t = 0; t < 6; ++t) {
    EXPECT_EQ(a.encoder.sublayers[t].units, b.encoder.sublayers[t].units) << "sublayer " << t;
    EXPECT_TRUE(at::equal(a.encoder.sublayers[t].out.weight, b.encoder.sublayers[t].out.weight))
        << "sublayer " << t;
    EXPECT_TRUE(at::equal(a.encoder.sublayers[t].in.weight, b.encoder.sublayers[t].in.weight))
        << "sublayer " << t;
  }
  EXPECT_EQ(a.kept_flops, b.kept_flops);
}

TEST_P(MethodTest, KeepsNoMoreThanTheBudgetAndNearlyAllOfIt) {
  for (const double keep : {0.05, 0.3, 0.5, 0.9}) {
    SCOPED_TRACE(keep);
    RecordingObserver observer;
    const auto result = Prune(encoder_, {.keep_flops = {keep}}, observer);
    ASSERT_TRUE(result.ok()) << result.status();
    const double original = EncoderFlops(encoder_.config, 7), kept = EncoderFlops(result->encoder.config, 7);
    EXPECT_NEAR(kept, result->kept_flops, 1e-6 * original);
    EXPECT_LE(kept, keep * original * (1 + 1e-9));
    EXPECT_GT(kept, keep * original - HeadFlops(7, 24, 6)) << "what is left is less than one unit";
  }
}

TEST_P(MethodTest, RemovesUnitsPhysicallyAndReportsEverySublayer) {
  for (const double keep : {0.05, 0.3, 0.5, 0.9}) {
    SCOPED_TRACE(keep);
    RecordingObserver observer;
    const auto result = Prune(encoder_, {.keep_flops = {keep}}, observer);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(observer.sublayers.size(), 6u);
    for (int t = 0; t < 6; ++t) {
      const Sublayer& pruned = result->encoder.sublayers[t];
      EXPECT_EQ(observer.sublayers[t].kept, pruned.num_units());
      EXPECT_EQ(observer.sublayers[t].index, t);
      EXPECT_EQ(pruned.in.weight.size(0), pruned.in_blocks() * pruned.num_features());
      EXPECT_EQ(pruned.out.weight.size(1), pruned.num_features());
      EXPECT_TRUE(at::isfinite(pruned.out.weight).all().item<bool>());
    }
    EXPECT_GT(observer.last_fraction, 0.8);
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, MethodTest, ::testing::ValuesIn(testing::kMethodForms),
                         testing::NameOfForm);

TEST_P(MethodTest, TheSameJobGivesTheSameBits) {
  testing::SilentObserver observer;
  const auto first = Prune(encoder_, {}, observer), second = Prune(encoder_, {}, observer);
  ASSERT_TRUE(first.ok() && second.ok());
  ExpectSameBits(*first, *second);
}

TEST_P(MethodTest, ARunThatGoesOnAfterAnySublayerGivesTheBitsOfOneThatWasNeverInterrupted) {
  // Sampled probes: the random draws must be those of the uninterrupted run, too.
  const Encoder encoder =
      testing::RandomEncoder({.labels = 11, .layers = 3, .hidden = 24, .heads = 4, .neurons = 40});
  RecordingObserver uninterrupted;
  const auto expected = Prune(encoder, {}, uninterrupted);
  ASSERT_TRUE(expected.ok()) << expected.status();
  for (int k = 0; k <= 5; ++k) {
    std::filesystem::remove_all(folder_.path());
    OpenCheckpoint();
    RecordingObserver stopped, resumed;
    stopped.cancel_after = k;
    ASSERT_EQ(Prune(encoder, {}, stopped).status().code(), absl::StatusCode::kCancelled);
    OpenCheckpoint();
    ASSERT_EQ(checkpoint_->size(), k);
    const auto result = Prune(encoder, {}, resumed);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->resumed_sublayers, k);
    EXPECT_EQ(resumed.sublayers.size(), 6u);
    ExpectSameBits(*result, *expected);
  }
}

TEST_P(MethodTest, ResumingReplaysTheBatchesOfEverySublayer) {
  RecordingObserver uninterrupted, stopped, resumed;
  plan_.batch_tokens = 24;
  const auto expected = Prune(encoder_, {}, uninterrupted);
  OpenCheckpoint();
  stopped.cancel_after = 2;
  ASSERT_FALSE(Prune(encoder_, {}, stopped).ok());
  OpenCheckpoint();
  plan_.batch_tokens = 200;  // this machine would choose otherwise today
  const auto result = Prune(encoder_, {}, resumed);
  ASSERT_TRUE(result.ok() && expected.ok());
  EXPECT_EQ(result->batch_tokens, std::vector<int64_t>(6, 24));
  ExpectSameBits(*result, *expected);
}

// Budgets and what pruning to them gave.
class ListedBudgets : public BudgetSource {
 public:
  explicit ListedBudgets(std::vector<FlopsBudget> budgets) : budgets_(std::move(budgets)) {}

  int most_budgets() const override { return static_cast<int>(budgets_.size()); }
  absl::StatusOr<std::optional<BudgetTask>> Next() override {
    if (results.size() == budgets_.size()) return std::nullopt;
    return BudgetTask{budgets_[results.size()]};
  }
  absl::Status Done(const PruningResult& result) override {
    results.push_back(result);
    return results.size() == fail_at ? absl::DataLossError("enough") : absl::OkStatus();
  }

  std::vector<PruningResult> results;
  size_t fail_at = 1000;

 private:
  const std::vector<FlopsBudget> budgets_;
};

TEST_P(MethodTest, EveryOneOfSeveralBudgetsGivesTheBitsOfARunOfItsOwn) {
  std::vector<FlopsBudget> budgets;
  for (const double keep : {0.3, 0.9, 0.5}) budgets.push_back(*MakeBudget(encoder_.config, keep, 7));
  ListedBudgets listed(budgets);
  RecordingObserver observer;
  const absl::Status status =
      PruneByMethod(encoder_, samples_, testing::InForm({}, GetParam()), plan_, listed, observer);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(listed.results.size(), 3u);
  EXPECT_EQ(observer.sublayers.size(), 18u);
  for (size_t i = 0; i < budgets.size(); ++i) {
    testing::SilentObserver silent;
    const auto alone = Prune(encoder_, {.keep_flops = {std::vector{0.3, 0.9, 0.5}[i]}}, silent);
    ASSERT_TRUE(alone.ok()) << alone.status();
    ExpectSameBits(listed.results[i], *alone);
  }
}

TEST_P(MethodTest, AnErrorOfWhoeverTakesTheModelsEndsTheRun) {
  ListedBudgets listed({*MakeBudget(encoder_.config, 0.5, 7), *MakeBudget(encoder_.config, 0.3, 7)});
  listed.fail_at = 1;
  testing::SilentObserver observer;
  const absl::Status status =
      PruneByMethod(encoder_, samples_, testing::InForm({}, GetParam()), plan_, listed, observer);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(listed.results.size(), 1u);
  ListedBudgets none({});
  EXPECT_TRUE(PruneByMethod(encoder_, samples_, testing::InForm({}, GetParam()), plan_, none, observer).ok());
}

// While it lives, no tensor may take more than `limit` bytes: what a machine without memory does.
class LimitedAllocations : public c10::Allocator {
 public:
  explicit LimitedAllocations(size_t limit) : limit_(limit) { c10::SetCPUAllocator(this, /*priority=*/1); }
  ~LimitedAllocations() override { c10::SetCPUAllocator(base_, /*priority=*/1); }

  c10::DataPtr allocate(size_t bytes) override {
    TORCH_CHECK(bytes <= limit_, "DefaultCPUAllocator: can't allocate memory: you tried to allocate ", bytes);
    return base_->allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override { return base_->raw_deleter(); }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    base_->copy_data(to, from, bytes);
  }

 private:
  c10::Allocator* const base_ = c10::GetCPUAllocator();
  const size_t limit_;
};

TEST_P(MethodTest, WhereMemoryRunsOutBatchesAreHalvedAndTheRunGoesOn) {
  testing::SilentObserver observer;
  // Its query, key and value take more memory than the panels of the sums for half as many tokens.
  const Encoder encoder = testing::RandomEncoder({.layers = 3, .hidden = 48, .heads = 4, .neurons = 40});
  plan_.streams = Place::kFile;  // in memory they would be larger than what is to be short
  plan_.scratch_directory = folder_.path().string();
  plan_.batch_tokens = 128;
  const auto expected = Prune(encoder, {}, observer);
  plan_.batch_tokens = 256;
  RecordingObserver short_of_memory;
  // Enough for query, key and value of 96 tokens, a third of all, and for their panels with vectors of any
  // width, but not for query, key and value of half of the tokens.
  const auto result = [&] {
    const LimitedAllocations limit(78'000);
    return Prune(encoder, {}, short_of_memory);
  }();
  ASSERT_TRUE(result.ok() && expected.ok()) << result.status();
  const auto halved = HasSubstr("out of memory with batches of 256 tokens; measuring it again with 128");
  if (auto_setting()) {
    EXPECT_THAT(short_of_memory.warnings, ::testing::Each(halved));
    EXPECT_THAT(short_of_memory.warnings, ::testing::Contains(HasSubstr("choosing lambda_rep and mu")));
  } else {
    EXPECT_THAT(short_of_memory.warnings, ::testing::ElementsAre(halved));
  }
  EXPECT_EQ(result->batch_tokens, std::vector<int64_t>(6, 128));
  ExpectSameBits(*result, *expected);
}

TEST_P(MethodTest, MemoryThatIsShortForOneSequenceEndsTheRun) {
  testing::SilentObserver observer;
  plan_.batch_tokens = 1;
  plan_.streams = Place::kFile;
  plan_.scratch_directory = folder_.path().string();
  const LimitedAllocations limit(2'000);  // less than the tape of one sequence
  EXPECT_THROW((void)Prune(encoder_, {}, observer), std::exception);
}

// Up to ties: on both devices the same knowledge, summed in another order.
TEST_P(MethodTest, AGpuKeepsTheUnitsThatTheCpuKeeps) {
  if (testing::ComputeDevice().is_cpu()) GTEST_SKIP() << "KPRUNE_TEST_DEVICE names no GPU";
  testing::SilentObserver observer;
  const auto cpu = Prune(encoder_, {}, observer);
  const auto gpu = Prune(testing::MovedTo(testing::ComputeDevice(), encoder_), {}, observer);
  ASSERT_TRUE(cpu.ok() && gpu.ok()) << cpu.status() << gpu.status();
  for (int t = 0; t < 6; ++t) {
    const Sublayer &here = cpu->encoder.sublayers[t], &there = gpu->encoder.sublayers[t];
    EXPECT_EQ(here.units, there.units) << "sublayer " << t;
    const at::Tensor weight = there.out.weight.to(at::kCPU);
    EXPECT_TRUE(at::allclose(weight, here.out.weight, 1e-3, 1e-4)) << "sublayer " << t;
  }
}

TEST_P(MethodTest, StreamsInAFileGiveTheSameBits) {
  testing::SilentObserver observer;
  const auto in_memory = Prune(encoder_, {}, observer);
  plan_.streams = Place::kFile;
  plan_.scratch_directory = folder_.path().string();
  const auto in_file = Prune(encoder_, {}, observer);
  ASSERT_TRUE(in_memory.ok() && in_file.ok()) << in_file.status();
  ExpectSameBits(*in_memory, *in_file);
}

TEST_P(MethodTest, BatchesChangeTheResultByRoundingAlone) {
  testing::SilentObserver observer;
  const auto some = Prune(encoder_, {.keep_flops = {0.7}}, observer);
  plan_.batch_tokens = 1;
  const auto one_by_one = Prune(encoder_, {.keep_flops = {0.7}}, observer);
  ASSERT_TRUE(some.ok() && one_by_one.ok());
  for (int t = 0; t < 6; ++t) {
    ASSERT_EQ(some->encoder.sublayers[t].units, one_by_one->encoder.sublayers[t].units);
    const at::Tensor &a = some->encoder.sublayers[t].out.weight,
                     &b = one_by_one->encoder.sublayers[t].out.weight;
    EXPECT_LE((a - b).norm().item<double>(), 1e-3 * a.norm().item<double>());
  }
}

TEST_P(MethodTest, BFloat16PrunesNearlyAsFloat32Does) {
  testing::SilentObserver observer;
  const auto full = Prune(encoder_, {}, observer);
  plan_.compute_type = at::kBFloat16;
  const auto half = Prune(encoder_, {}, observer);
  ASSERT_TRUE(full.ok() && half.ok()) << half.status();
  const at::Tensor before = RunSamples(encoder_, samples_);
  const double full_error = (RunSamples(full->encoder, samples_) - before).norm().item<double>();
  const double half_error = (RunSamples(half->encoder, samples_) - before).norm().item<double>();
  EXPECT_LT(half_error, 1.3 * full_error);
  for (const Sublayer& sublayer : half->encoder.sublayers)
    EXPECT_EQ(sublayer.out.weight.scalar_type(), at::kFloat);
}

TEST_P(MethodTest, KeepingAlmostEverythingKeepsTheOutputs) {
  testing::SilentObserver observer;
  const auto result = Prune(encoder_, {.keep_flops = {0.999}}, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  const at::Tensor before = RunSamples(encoder_, samples_), after = RunSamples(result->encoder, samples_);
  EXPECT_LT((before - after).abs().max().item<double>(), 0.2 * before.std().item<double>());
}

TEST_P(MethodTest, TuningBringsTheOutputsCloserThanRemovalAlone) {
  testing::SilentObserver observer;
  const auto result = Prune(encoder_, {.keep_flops = {0.5}}, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  Encoder untuned = encoder_;
  for (int t = 0; t < 6; ++t) {
    untuned.Keep(t, result->encoder.sublayers[t].units);
  }
  const at::Tensor before = RunSamples(encoder_, samples_);
  const double tuned_error = (RunSamples(result->encoder, samples_) - before).norm().item<double>();
  const double untuned_error = (RunSamples(untuned, samples_) - before).norm().item<double>();
  EXPECT_LT(tuned_error, 0.8 * untuned_error);
}

TEST_P(MethodTest, StopsWithinOneSublayerWhenCancelled) {
  RecordingObserver observer;
  observer.cancel_after = 2;
  const auto result = Prune(encoder_, {}, observer);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(observer.sublayers.size(), 2u);
}

TEST_P(MethodTest, ABudgetBelowOneUnitNamesTheReachableRange) {
  testing::SilentObserver observer;
  const auto result = Prune(encoder_, {.keep_flops = {1e-6}}, observer);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("reachable range"));
}

TEST_P(MethodTest, PrunesAPrunedModelFurther) {
  testing::SilentObserver observer;
  const auto half = Prune(encoder_, {.keep_flops = {0.5}}, observer);
  ASSERT_TRUE(half.ok());
  const auto quarter = Prune(half->encoder, {.keep_flops = {0.5}}, observer);
  ASSERT_TRUE(quarter.ok()) << quarter.status();
  for (int t = 0; t < 6; ++t) {
    const auto &outer = half->encoder.sublayers[t].units, &inner = quarter->encoder.sublayers[t].units;
    EXPECT_TRUE(std::includes(outer.begin(), outer.end(), inner.begin(), inner.end())) << "original indices";
  }
}

TEST_P(MethodTest, WarnsOnceWhereTheSamplesAreTooFewToTuneWith) {
  RecordingObserver enough;
  ASSERT_TRUE(Prune(encoder_, {.keep_flops = {0.9}}, enough).ok());
  EXPECT_THAT(enough.warnings, ::testing::IsEmpty());
  if (auto_setting()) return;  // three samples are refused
  RecordingObserver few;
  const auto budget = MakeBudget(encoder_.config, 0.9, 7);
  ASSERT_TRUE(PruneByMethod(encoder_, absl::MakeConstSpan(samples_).subspan(0, 3), *budget,
                            testing::InForm({}, GetParam()), plan_,
                            /*checkpoint=*/nullptr, few)
                  .ok());
  EXPECT_THAT(few.warnings, ::testing::ElementsAre(HasSubstr("give more samples")));
}

}  // namespace
}  // namespace kprune
