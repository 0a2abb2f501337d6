#include "bench/measurement_flops.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "bench/random_model.h"
#include "engine/cost/flops.h"
#include "engine/pruning/objective.h"

namespace kprune {
namespace {

// One head of 2, hidden size 2, 3 neurons; two samples of 1 and 3 tokens: 4 tokens, squared lengths 1 + 9
// = 10.
ModelConfig TinyConfig(int layers) {
  return MakeRandomClassifier({.layers = layers, .hidden = 2, .heads = 1, .intermediate = 3}, 0, at::kCPU)
      .config;
}

const TokenCounts kTwoSamples = {.sequences = 2, .tokens = 4, .squared_lengths = 10};

// Products of the tiny model, each 2 FLOPs a multiply-add.
constexpr double kProjection = 2 * 4 * 2 * 2;  // [4, 2] x [2, 2]: queries, keys, values or the output
constexpr double kProjectionOfFirstTokens = 2 * 2 * 2 * 2;
constexpr double kScores = 2 * 10 * 2;      // 10 pairs of a query and a key, 2 features
constexpr double kNeurons = 2 * 4 * 2 * 3;  // [4, 2] x [2, 3], or back
constexpr double kNeuronsOfFirstTokens = 2 * 2 * 2 * 3;

TEST(MeasurementFlopsTest, Examples) {
  // The last feed-forward sublayer: its neurons for all tokens, its output for the first ones, and one
  // gradient.
  EXPECT_EQ(MeasurementFlops(TinyConfig(1), kTwoSamples, 1, 1), kNeurons + 2 * kNeuronsOfFirstTokens);
  // The attention below it: forwards both (scores and context), backwards the feed-forward and its own
  // output.
  EXPECT_EQ(MeasurementFlops(TinyConfig(1), kTwoSamples, 1, 0),
            4 * kProjection + 2 * kScores + kNeurons + kNeuronsOfFirstTokens  // forward
                + 2 * kNeuronsOfFirstTokens + kProjectionOfFirstTokens);      // backward
}

TEST(MeasurementFlopsTest, TheLastAttentionIsCrossedForFirstTokens) {
  // Target 1 of four sublayers: the last layer backwards in full, and the output projection of the target.
  const double forward = 2 * kNeurons + 4 * kProjection + 2 * kScores + kNeurons + kNeuronsOfFirstTokens;
  const double one_row_of_scores = 2 * (1 + 3) * 2;  // the first token of each sample with all its tokens
  const double backward = 2 * kNeuronsOfFirstTokens  // last feed-forward
                          + 4 * kProjectionOfFirstTokens  // output; query, and the vectors of key and value
                          + 2 * one_row_of_scores         // of values, to the query
                          + 2 * 4 * 2 * 2                 // [4, 2 vectors] x [2 vectors, 2]
                          + kNeurons;                     // output of the target
  EXPECT_EQ(MeasurementFlops(TinyConfig(2), kTwoSamples, 1, 1), forward + backward);
  EXPECT_EQ(MeasurementFlops(TinyConfig(2), kTwoSamples, 3, 1), forward + 3 * backward);
}

TEST(MeasurementFlopsTest, LowerLayersAreCrossedForAllTokens) {
  const double crossed_attention = 4 * kProjection + 4 * kScores, crossed_feed_forward = 2 * kNeurons;
  const double attention = 4 * kProjection + 2 * kScores, feed_forward = 2 * kNeurons;
  // From target 2 to target 1 of six sublayers: the target's own forward, its output's gradient instead of
  // that of sublayer 2, and sublayer 2 backwards in full.
  const double difference =
      MeasurementFlops(TinyConfig(3), kTwoSamples, 1, 1) - MeasurementFlops(TinyConfig(3), kTwoSamples, 1, 2);
  EXPECT_EQ(difference, feed_forward + kNeurons + crossed_attention - kProjection);
  const double next =
      MeasurementFlops(TinyConfig(3), kTwoSamples, 1, 0) - MeasurementFlops(TinyConfig(3), kTwoSamples, 1, 1);
  EXPECT_EQ(next, attention + kProjection + crossed_feed_forward - kNeurons);
}

TEST(MeasurementFlopsTest, AnEmbeddingReadsAllTokensUnlessItIsTheFirstOnes) {
  ModelConfig config = TinyConfig(1);
  config.task = Task::kEmbedding;
  config.pooling = Pooling::kMean;
  EXPECT_EQ(MeasurementFlops(config, kTwoSamples, 1, 1), 3 * kNeurons);
  config.pooling = Pooling::kCls;
  EXPECT_EQ(MeasurementFlops(config, kTwoSamples, 1, 1), kNeurons + 2 * kNeuronsOfFirstTokens);
}

// The forward passes count what engine/cost counts: without a backward pass, and with every token read,
// target 0 costs the whole encoder.
TEST(MeasurementFlopsTest, ForwardAgreesWithTheCostOfTheEncoder) {
  ModelConfig config = TinyConfig(3);
  config.task = Task::kEmbedding;
  config.pooling = Pooling::kMean;
  EXPECT_EQ(MeasurementFlops(config, kTwoSamples, 0, 0), EncoderFlops(config, 1) + EncoderFlops(config, 3));
}

TEST(MeasurementFlopsTest, TuningTakesTheTeachersPassTheSumsTheSolveAndTheOutput) {
  // Keeping 1 of 3 neurons.
  const double gram = 4 * 3 * 4, products = kNeurons, output = 2 * 4 * 1 * 2;
  EXPECT_DOUBLE_EQ(TuningFlops(TinyConfig(1), kTwoSamples, 1, 1),
                   2 * kNeurons + gram + products + (1.0 / 3 + 2 * 2) + output);
  // Keeping no head: nothing is solved, and nothing comes out but the bias.
  EXPECT_EQ(TuningFlops(TinyConfig(1), kTwoSamples, 0, 0),
            4 * kProjection + 2 * kScores + 4 * 2 * 3 + kProjection);
}

TEST(MeasurementFlopsTest, CountsTokensOfSamples) {
  const std::vector<Sample> samples = MakeRandomSamples(3, 5, 0);
  const TokenCounts counts = CountTokens(samples);
  EXPECT_EQ(counts.sequences, 3);
  EXPECT_EQ(counts.tokens, 15);
  EXPECT_EQ(counts.squared_lengths, 75);
}

// As many scalars as the engine differentiates.
TEST(MeasurementFlopsTest, BackwardPassesAreTheProbesOfTheObjective) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(0);
  for (const Task task : {Task::kSingleLabel, Task::kMultiLabel, Task::kRegression, Task::kEmbedding}) {
    for (const int outputs : {1, 2, 5, 12}) {
      if ((task == Task::kRegression) != (outputs == 1)) continue;
      ModelConfig config = TinyConfig(1);
      config.task = task;
      config.num_labels = outputs;
      const at::Tensor output_NC = at::zeros({2, outputs});
      EXPECT_EQ(BackwardPasses(config, {}), FisherProbes(task, output_NC, 2.0, random).size())
          << static_cast<int>(task) << " with " << outputs << " outputs";
      EXPECT_EQ(BackwardPasses(config, {.predictive = "kl-gradient"}), 1);
    }
  }
}

}  // namespace
}  // namespace kprune
