#include "engine/refit/sensitivity.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "engine/refit/token_weights.h"
#include "tests/engine/pruning/random_encoder.h"

namespace kprune {
namespace {

// The definition, by differences: H_s = 1/|D| sum of g g^T is the Fisher's curvature along any direction in
// which the outputs of all tokens of all samples may move, each by itself. For two classes and one token
// moved at a time, gamma^2 KL(p || p moved by e u) = e^2 / 2 (g^T u)^2.
TEST(SensitivityTest, IsTheCurvatureOfTheDivergenceAtEveryOutput) {
  c10::NoGradGuard no_grad;
  const Encoder encoder = testing::RandomEncoder({.labels = 2, .layers = 2, .hidden = 12, .heads = 3});
  const std::vector<Sample> samples = testing::RandomSamples(3);
  const Batch batch = MakeBatches(samples, kAnyNumber, "file", at::kCPU)[0];
  constexpr double kTemperature = 2;
  SensitivityAccumulator sensitivity(encoder, kTemperature, batch.tokens());
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(0);
  const at::Tensor weights_TS = sensitivity.Add(batch, encoder.Embed(batch), random);
  ASSERT_EQ(weights_TS.size(0), batch.tokens());
  ASSERT_EQ(weights_TS.size(1), 4);

  const at::Tensor log_p = at::log_softmax(encoder.Run(batch).to(at::kDouble) / kTemperature, 1);
  at::Tensor direction = at::randn({12}, at::make_generator<at::CPUGeneratorImpl>(1));
  direction /= direction.norm();
  constexpr double kStep = 0.05;
  for (int s = 0; s < 4; ++s) {
    double along = 0, all = 0;
    for (int64_t token = 0; token < batch.tokens(); ++token) {
      const auto divergence = [&](const at::Tensor& change_d) {
        at::Tensor x = encoder.Embed(batch);
        for (int t = 0; t < 4; ++t) {
          at::Tensor y = encoder.PreNorm(t, x, encoder.Features(t, x, batch));
          if (t == s) y[token] += change_d;
          x = encoder.Norm(t, y);
        }
        const at::Tensor log_q = at::log_softmax(encoder.Output(x, batch).to(at::kDouble) / kTemperature, 1);
        return kTemperature * kTemperature * (log_p.exp() * (log_p - log_q)).sum().item<double>();
      };
      // Both ways, so that odd orders cancel.
      along += (divergence(kStep * direction) + divergence(-kStep * direction)) / (kStep * kStep);
      double trace = 0;
      for (int64_t j = 0; j < 12; ++j) {
        const at::Tensor unit = at::zeros({12}).index_fill(0, at::tensor({j}, at::kLong), kStep);
        trace += (divergence(unit) + divergence(-unit)) / (kStep * kStep);
      }
      EXPECT_NEAR(weights_TS[token][s].item<double>(), trace, 0.05 * trace + 1e-5) << "token " << token;
      all += trace;
    }
    const at::Tensor wide = direction.to(at::kDouble);
    const double found = wide.dot(sensitivity.Fisher(s).mv(wide)).item<double>() * 3;
    EXPECT_NEAR(found, along, 0.03 * along + 1e-5) << "sublayer " << s;
    EXPECT_NEAR(sensitivity.Fisher(s).trace().item<double>() * 3, all, 0.03 * all + 1e-5) << "sublayer " << s;
  }
}

TEST(SensitivityTest, BatchesAddUp) {
  c10::NoGradGuard no_grad;
  const Encoder encoder = testing::RandomEncoder({.task = Task::kRegression, .labels = 1});
  const std::vector<Sample> samples = testing::RandomSamples(6);
  const auto fisher = [&](int64_t group) {
    SensitivityAccumulator sensitivity(encoder, 2, 100);
    at::Generator random = at::make_generator<at::CPUGeneratorImpl>(0);
    for (const Batch& batch : MakeBatches(samples, group, "file", at::kCPU))
      sensitivity.Add(batch, encoder.Embed(batch), random);
    return sensitivity.Fisher(1);
  };
  const at::Tensor whole = fisher(kAnyNumber), pieces = fisher(2);
  EXPECT_LT((whole - pieces).norm().item<double>(), 1e-5 * whole.norm().item<double>());
}

TEST(TokenWeightsTest, Examples) {
  const std::vector<Sample> samples = testing::RandomSamples(4);
  const std::vector<Batch> batches = MakeBatches(samples, 2, "file", at::kCPU);
  const int64_t tokens = batches.back().end();
  auto weights = TokenWeights::Create(tokens, 2, /*share=*/0.5, at::kCPU, ExecutionPlan());
  ASSERT_TRUE(weights.ok()) << weights.status();
  const at::Tensor fisher = at::rand({tokens, 2});
  fisher.select(1, 1).zero_();  // no token has any
  for (const Batch& batch : batches)
    ASSERT_TRUE(weights->Set(batch, fisher.slice(0, batch.begin, batch.end())).ok());
  double sum = 0;
  for (const Batch& batch : batches) {
    const at::Tensor expected =
        0.5 + 0.5 * fisher.select(1, 0).slice(0, batch.begin, batch.end()) / fisher.select(1, 0).mean();
    const at::Tensor found = *weights->Of(0, {0}, batch);
    EXPECT_TRUE(at::allclose(found, expected.to(at::kDouble), 1e-5));
    sum += found.sum().item<double>();
    EXPECT_TRUE(at::equal(*weights->Of(1, {1}, batch), at::ones({batch.tokens()}, at::kDouble)));
  }
  EXPECT_NEAR(sum, static_cast<double>(tokens), 1e-4) << "1 on average";

  const auto none = TokenWeights::Create(tokens, 2, /*share=*/0, at::kCPU, ExecutionPlan());
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->Of(0, {0}, batches[0])->defined());
}

}  // namespace
}  // namespace kprune
