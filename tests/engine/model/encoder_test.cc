#include "engine/model/encoder.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <string>
#include <vector>

#include "engine/evaluation/outputs.h"
#include "gtest/gtest.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

using ::kprune::testing::TinyModel;

constexpr double kBound = 1e-5;

// The dense twin of a pruned sublayer: the removed units are there, but their columns of the output
// projection are zero.
void ZeroUnits(Encoder& encoder, int t, const Selection& keep) {
  Sublayer& sublayer = encoder.sublayers[t];
  at::Tensor weight = at::zeros_like(sublayer.out.weight);
  const at::Tensor columns = FeaturesOf(keep, sublayer.unit_width, at::kCPU);
  weight.index_copy_(1, columns, sublayer.out.weight.index_select(1, columns));
  sublayer.out.weight = weight;
}

TEST(EncoderTest, Examples) {
  const Encoder original = TinyEncoder({.task = "text-classification", .labels = 3});
  const std::vector<Sample> samples = SamplesOfLengths({5, 2, 9}, original.config);
  const Batch batch = MakeBatches(samples, 3, "file", at::kCPU)[0];

  // The whole model is its embeddings, its sublayers and its head.
  at::Tensor x = original.Embed(batch);
  for (int t = 0; t < original.num_sublayers(); ++t) x = original.Forward(t, x, batch);
  EXPECT_TRUE(at::equal(original.Output(x, batch), original.Run(batch)));
  EXPECT_EQ(original.Run(batch).sizes(), (at::IntArrayRef{3, 3}));

  // A sublayer of 4 heads keeps the second and the fourth; the copy that it was taken from stays what it was.
  Encoder pruned = original;
  pruned.Keep(2, {1, 3});
  EXPECT_EQ(pruned.sublayers[2].units, (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(pruned.config.heads[1], (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(pruned.config.heads[0], (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(original.sublayers[2].num_units(), 4);
  EXPECT_LT(pruned.num_parameters(), original.num_parameters());
}

struct PruningCase {
  std::string name;
  int sublayer;
  Selection keep;
};

void PrintTo(const PruningCase& value, std::ostream* out) { *out << value.name; }

class PruningTest : public ::testing::TestWithParam<std::tuple<std::string, PruningCase>> {};

TEST_P(PruningTest, EqualsTheDenseModelWithZeroColumns) {
  const auto& [family, pruning] = GetParam();
  const Encoder original =
      TinyEncoder({.family = family, .task = "text-classification", .labels = 3, .neurons = 12});
  Encoder pruned = original, dense = original;
  pruned.Keep(pruning.sublayer, pruning.keep);
  ZeroUnits(dense, pruning.sublayer, pruning.keep);
  const std::vector<Sample> samples = SamplesOfLengths({7, 1, 12, 7}, original.config);
  const at::Tensor expected = RunSamples(dense, samples);
  EXPECT_LT(LargestDifference(RunSamples(pruned, samples), expected), kBound);
  // The removed units mattered: or this would compare the model with itself.
  EXPECT_GT(LargestDifference(RunSamples(original, samples), expected), 100 * kBound);
  const Sublayer& sublayer = pruned.sublayers[pruning.sublayer];
  const auto features = static_cast<int64_t>(pruning.keep.size()) * sublayer.unit_width;
  EXPECT_EQ(sublayer.in.weight.size(0), features * sublayer.in_blocks());
  EXPECT_EQ(sublayer.out.weight.size(1), features);
}

INSTANTIATE_TEST_SUITE_P(
    Units, PruningTest,
    ::testing::Combine(::testing::Values(std::string("bert"), std::string("distilbert")),
                       ::testing::Values(PruningCase{"FirstHead", 0, {0}}, PruningCase{"TwoHeads", 2, {1, 3}},
                                         PruningCase{"NoHead", 0, {}}, PruningCase{"OneNeuron", 1, {11}},
                                         PruningCase{"SomeNeurons", 3, {0, 2, 3, 7, 10}},
                                         PruningCase{"NoNeuron", 1, {}})),
    [](const auto& info) { return std::get<0>(info.param) + std::get<1>(info.param).name; });

TEST(EncoderTest, PruningTwiceKeepsOriginalIndices) {
  Encoder once = TinyEncoder({.neurons = 8});
  Encoder twice = once;
  once.Keep(1, {2, 7});
  twice.Keep(1, {0, 2, 5, 7});
  twice.Keep(1, {1, 3});  // positions among those that were left
  EXPECT_EQ(twice.sublayers[1].units, (std::vector<int64_t>{2, 7}));
  EXPECT_EQ(twice.config.neurons[0], (std::vector<int64_t>{2, 7}));
  EXPECT_TRUE(at::equal(twice.sublayers[1].in.weight, once.sublayers[1].in.weight));
  EXPECT_TRUE(at::equal(twice.sublayers[1].out.weight, once.sublayers[1].out.weight));
}

TEST(EncoderTest, AnEncoderWithoutAnyUnitStillAnswers) {
  Encoder encoder = TinyEncoder({.task = "text-classification", .labels = 2});
  for (int t = 0; t < encoder.num_sublayers(); ++t) encoder.Keep(t, {});
  const at::Tensor outputs = RunSamples(encoder, SamplesOfLengths({1, 6, 3}, encoder.config));
  EXPECT_TRUE(at::isfinite(outputs).all().item<bool>());
}

TEST(EncoderTest, OneSampleDoesNotDependOnItsNeighbours) {
  const Encoder encoder = TinyEncoder({});
  const std::vector<Sample> samples = SamplesOfLengths({3, 64, 1, 17, 3, 30}, encoder.config);
  const at::Tensor together = RunSamples(encoder, samples);  // one ragged batch
  for (size_t i = 0; i < samples.size(); ++i) {
    const at::Tensor alone = RunSamples(encoder, {&samples[i], 1});  // a uniform batch
    EXPECT_LT(LargestDifference(together.select(0, static_cast<int64_t>(i)), alone[0]), kBound) << i;
  }
}

TEST(EncoderTest, PoolingAndNormalisationDecideTheEmbedding) {
  Encoder encoder = TinyEncoder({});
  const std::vector<Sample> samples = SamplesOfLengths({4, 9, 2}, encoder.config);
  const Batch batch = MakeBatches(samples, 3, "file", at::kCPU)[0];
  const at::Tensor states = at::randn({15, 32}, at::make_generator<at::CPUGeneratorImpl>(1));
  encoder.config.pooling = Pooling::kMean;
  const at::Tensor mean = encoder.Output(states, batch);
  encoder.config.pooling = Pooling::kCls;
  const at::Tensor first = encoder.Output(states, batch);
  encoder.config.normalize = true;
  const at::Tensor unit = encoder.Output(states, batch);
  const std::vector<int64_t> begin = {0, 4, 13}, length = {4, 9, 2};
  for (int64_t n = 0; n < 3; ++n) {
    EXPECT_LT(LargestDifference(mean[n], states.narrow(0, begin[n], length[n]).mean(0)), kBound);
    EXPECT_TRUE(at::equal(first[n], states[begin[n]]));
    EXPECT_LT(LargestDifference(unit[n] * first[n].norm(), first[n]), kBound);
  }
}

TEST(EncoderTest, CountsEveryParameter) {
  const TinyModel tiny = {.family = "distilbert",
                          .task = "text-classification",
                          .labels = 3,
                          .hidden = 8,
                          .layers = 1,
                          .heads = 2,
                          .neurons = 5,
                          .positions = 7};
  const Encoder encoder = TinyEncoder(tiny);
  const auto words = static_cast<int64_t>(testing::TinyVocabulary().size());
  const int64_t linear_88 = 8 * 8 + 8, norm = 16;
  EXPECT_EQ(encoder.num_parameters(), (words + 7) * 8 + norm + 4 * linear_88 + norm + (5 * 8 + 5) +
                                          (8 * 5 + 8) + norm + linear_88 + (3 * 8 + 3));
}

}  // namespace
}  // namespace kprune
