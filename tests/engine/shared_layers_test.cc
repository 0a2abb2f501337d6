// Models whose layers share their weights are pruned as one.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/cost/flops.h"
#include "engine/evaluation/outputs.h"
#include "engine/export/exports.h"
#include "engine/model/model_folder.h"
#include "engine/pruning_methods.h"
#include "tests/engine/method_forms.h"
#include "tests/engine/model/golden_folder.h"
#include "tests/engine/pruning/random_encoder.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

class SharedLayersTest : public ::testing::TestWithParam<const char*> {
 protected:
  static Encoder Shared(int layers, int groups) {
    return testing::SharingLayers(
        testing::RandomEncoder({.layers = layers, .hidden = 24, .heads = 4, .neurons = 40}), groups);
  }

  absl::StatusOr<PruningResult> Prune(const Encoder& encoder, double keep, ProgressObserver& observer,
                                      int distill = 0) {
    const Options options = testing::InForm({.distill = distill}, GetParam());
    return PruneByMethod(encoder, samples_, *MakeBudget(encoder.config, keep, 7), options, plan_,
                         checkpoint_.get(), observer);
  }

  void OpenCheckpoint() {
    checkpoint_.reset();
    auto opened = Checkpoint::Open(folder_.path() / "checkpoint",
                                   {.job = {{"test", "kprune"}}, .threads = 1, .precision = "fp32"});
    ASSERT_TRUE(opened.ok()) << opened.status();
    checkpoint_ = *std::move(opened);
  }

  // Stops once so many sublayers are settled.
  class StoppingObserver : public testing::SilentObserver {
   public:
    explicit StoppingObserver(int after) : after_(after) {}
    void OnSublayer(const SublayerPruned& row) override { rows.push_back(row); }
    bool cancelled() const override { return static_cast<int>(rows.size()) >= after_; }

    std::vector<SublayerPruned> rows;

   private:
    const int after_;
  };

  const std::vector<Sample> samples_ = testing::RandomSamples(48);
  const TempDirectory folder_;
  ExecutionPlan plan_{.batch_tokens = 64};
  std::unique_ptr<Checkpoint> checkpoint_;
};

void ExpectSameTensors(const Sublayer& a, const Sublayer& b) {
  EXPECT_EQ(a.units, b.units);
  EXPECT_TRUE(a.in.weight.is_same(b.in.weight) && a.in.bias.is_same(b.in.bias));
  EXPECT_TRUE(a.out.weight.is_same(b.out.weight) && a.out.bias.is_same(b.out.bias));
}

TEST_P(SharedLayersTest, Examples) {
  const Encoder encoder = Shared(3, 1);
  StoppingObserver observer(100);
  const auto result = Prune(encoder, 0.5, observer, /*distill=*/2);
  ASSERT_TRUE(result.ok()) << result.status();
  // One attention and one feed-forward sublayer, in all layers.
  ASSERT_EQ(observer.rows.size(), 2u);
  for (int t = 0; t < 2; ++t) {
    EXPECT_EQ(observer.rows[t].index, t);
    EXPECT_EQ(observer.rows[t].total, 2);
    for (const int place : {t + 2, t + 4}) {
      ExpectSameTensors(result->encoder.sublayers[place], result->encoder.sublayers[t]);
      EXPECT_EQ(result->encoder.sublayers[place].layer, place / 2);
    }
  }
  // Which costs what it costs in every one of them.
  const double original = EncoderFlops(encoder.config, 7), kept = EncoderFlops(result->encoder.config, 7);
  EXPECT_EQ(original, 3 * (4 * HeadFlops(7, 24, 6) + 40 * NeuronFlops(7, 24)));
  EXPECT_NEAR(kept, result->kept_flops, 1e-6 * original);
  EXPECT_LE(kept, 0.5 * original * (1 + 1e-9));
  EXPECT_GT(kept, 0.5 * original - 3 * HeadFlops(7, 24, 6)) << "what is left is less than one unit";
  EXPECT_LT(result->encoder.num_parameters(), encoder.num_parameters());
}

TEST_P(SharedLayersTest, EveryGroupIsPrunedForItself) {
  const Encoder encoder = Shared(5, 2);  // layers 0 to 2, and 3 and 4
  StoppingObserver observer(100);
  const auto result = Prune(encoder, 0.6, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(observer.rows.size(), 4u);
  EXPECT_EQ(observer.rows[2].layer, 3);
  ExpectSameTensors(result->encoder.sublayers[5], result->encoder.sublayers[1]);
  ExpectSameTensors(result->encoder.sublayers[9], result->encoder.sublayers[7]);
  EXPECT_FALSE(result->encoder.sublayers[6].out.weight.is_same(result->encoder.sublayers[0].out.weight));
}

TEST_P(SharedLayersTest, ARunThatGoesOnGivesTheBitsOfOneThatWasNeverInterrupted) {
  const Encoder encoder = Shared(4, 2);
  testing::SilentObserver uninterrupted;
  const auto expected = Prune(encoder, 0.5, uninterrupted);
  ASSERT_TRUE(expected.ok()) << expected.status();
  for (int k = 0; k < 4; ++k) {
    fs::remove_all(folder_.path() / "checkpoint");
    OpenCheckpoint();
    StoppingObserver stopped(k);
    ASSERT_EQ(Prune(encoder, 0.5, stopped).status().code(), absl::StatusCode::kCancelled);
    OpenCheckpoint();
    ASSERT_EQ(checkpoint_->size(), k);
    testing::SilentObserver resumed;
    const auto result = Prune(encoder, 0.5, resumed);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->resumed_sublayers, k);
    for (size_t t = 0; t < result->encoder.sublayers.size(); ++t) {
      const Sublayer &a = result->encoder.sublayers[t], &b = expected->encoder.sublayers[t];
      EXPECT_EQ(a.units, b.units);
      EXPECT_TRUE(at::equal(a.out.weight, b.out.weight) && at::equal(a.in.weight, b.in.weight)) << t;
    }
  }
}

TEST_P(SharedLayersTest, WhatNoLayerNeedsCostsNothing) {
  // Neurons that no layer hears: the model without them is the same.
  Encoder encoder = Shared(3, 1);
  Sublayer feed_forward = encoder.sublayers[1];
  feed_forward.out.weight = feed_forward.out.weight.clone();
  feed_forward.out.weight.narrow(1, 0, 20).zero_();
  encoder.Put(1, feed_forward);
  testing::SilentObserver observer;
  const double flops = EncoderFlops(encoder.config, 7), unit = UnitFlops(encoder.config, 1, 7);
  const auto result = Prune(encoder, 1 - 20 * unit / flops, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->encoder.sublayers[1].num_units(), 20);
  const at::Tensor before = RunSamples(encoder, samples_), after = RunSamples(result->encoder, samples_);
  EXPECT_LT((before - after).abs().max().item<double>(), 1e-2 * before.abs().max().item<double>());
}

INSTANTIATE_TEST_SUITE_P(Methods, SharedLayersTest, ::testing::ValuesIn(testing::kMethodForms),
                         testing::NameOfForm);

TEST(SharedLayersFilesTest, WhatLayersShareIsStoredOnce) {
  const testing::RandomShape shape = {.layers = 6, .hidden = 24, .heads = 4, .neurons = 400};
  const Encoder apart = testing::RandomEncoder(shape), shared = testing::SharingLayers(apart);
  const TempDirectory folder;
  const auto bytes_of = [&](const Encoder& encoder, const char* name) {
    const fs::path path = folder.path() / name;
    fs::create_directories(path);
    Options options;
    options.exports = {"onnx", "torchscript"};
    EXPECT_TRUE(WriteExports(encoder, options, path).ok());
    return std::pair(fs::file_size(path / "onnx/model.onnx"), fs::file_size(path / "model.torchscript.pt"));
  };
  const auto [onnx_apart, torchscript_apart] = bytes_of(apart, "apart");
  const auto [onnx, torchscript] = bytes_of(shared, "shared");
  EXPECT_LT(onnx, onnx_apart / 3);
  EXPECT_LT(torchscript, torchscript_apart / 3);
}

TEST(UnshareLayersTest, GivesEveryLayerItsOwnWeights) {
  Options options;
  options.unshare_layers = true;
  const std::string path = (GoldensFolder() / "albert_two_groups").string();
  auto folder = OpenModelFolder(path, options);
  ASSERT_TRUE(folder.ok()) << folder.status();
  auto encoder = LoadEncoder(*folder, at::kCPU);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  EXPECT_EQ(encoder->config.OwnSublayers().size(), 8u);
  encoder->Keep(1, {0, 2});
  EXPECT_GT(encoder->sublayers[3].num_units(), 2);
  const TempDirectory written;
  ASSERT_TRUE(WriteModelFolder(*folder, *encoder, written.path().string()).ok());
  const auto again = OpenModelFolder(written.path().string(), Options());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->config.json["num_hidden_groups"], 4);
  EXPECT_FALSE(again->config.shares_layers);
  EXPECT_EQ(again->config.neurons[0], (std::vector<int64_t>{0, 2}));
}

TEST(UnshareLayersTest, IsRefusedWhereLayersShareNothing) {
  Options options;
  options.unshare_layers = true;
  const absl::Status status =
      OpenModelFolder((GoldensFolder() / "bert_text_classification").string(), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("unshare_layers"));
}

}  // namespace
}  // namespace kprune
