#include "engine/distillation/distillation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/distillation/adamw.h"
#include "engine/distillation/differentiable.h"
#include "engine/evaluation/outputs.h"
#include "tests/engine/pruning/random_encoder.h"

namespace kprune {
namespace {

const auto kGoOn = [](double) { return true; };

// A student without half of its units, and the teacher.
struct Pair {
  Encoder teacher, student;
};
Pair HalfOf(Task task) {
  const int labels = task == Task::kQuestionAnswering ? 2 : 3;
  Encoder teacher = testing::RandomEncoder(
      {.task = task, .labels = labels, .layers = 2, .hidden = 24, .heads = 4, .neurons = 40});
  Encoder student = teacher;
  for (int t = 0; t < 4; ++t) {
    Selection keep;
    for (int64_t u = 0; u < teacher.sublayers[t].num_units(); u += 2) keep.push_back(u);
    student.Keep(t, keep);
  }
  return {teacher, student};
}

class DistillationTest : public ::testing::TestWithParam<Task> {
 protected:
  const std::vector<Sample> samples_ = testing::RandomSamples(64), others_ = testing::RandomSamples(64, 99);
};

TEST_P(DistillationTest, BringsTheOutputsOfUnseenSamplesCloser) {
  const auto [teacher, student] = HalfOf(GetParam());
  const auto distilled =
      Distill(teacher, student, samples_, {.steps = 200, .sequences = 16, .learning_rate = 1e-3}, kGoOn);
  ASSERT_TRUE(distilled.ok()) << distilled.status();
  const at::Tensor expected = RunSamples(teacher, others_);
  const double before = (RunSamples(student, others_) - expected).norm().item<double>();
  const double after = (RunSamples(*distilled, others_) - expected).norm().item<double>();
  EXPECT_LT(after, 0.8 * before);
  for (int t = 0; t < 4; ++t) EXPECT_EQ(distilled->sublayers[t].units, student.sublayers[t].units);
}

INSTANTIATE_TEST_SUITE_P(Tasks, DistillationTest,
                         ::testing::Values(Task::kSingleLabel, Task::kMultiLabel, Task::kRegression,
                                           Task::kTokenClassification, Task::kQuestionAnswering,
                                           Task::kEmbedding),
                         [](const auto& info) {
                           return "Task" + std::to_string(static_cast<int>(info.param));
                         });

TEST_F(DistillationTest, LeavesTheStudentItselfAndTheHeadAlone) {
  const auto [teacher, student] = HalfOf(Task::kSingleLabel);
  const at::Tensor before = student.sublayers[1].out.weight.clone();
  const auto distilled = Distill(teacher, student, samples_, {.steps = 3}, kGoOn);
  ASSERT_TRUE(distilled.ok());
  EXPECT_TRUE(at::equal(student.sublayers[1].out.weight, before));
  EXPECT_FALSE(at::equal(distilled->sublayers[1].out.weight, before));
  EXPECT_TRUE(at::equal(distilled->head_output.weight, student.head_output.weight));
  EXPECT_FALSE(distilled->sublayers[0].norm.weight.requires_grad());
}

TEST_F(DistillationTest, TheSameSeedGivesTheSameBits) {
  const auto [teacher, student] = HalfOf(Task::kSingleLabel);
  const auto run = [&, &teacher = teacher, &student = student](uint32_t seed) {
    const auto distilled =
        Distill(teacher, student, samples_, {.steps = 5, .sequences = 8, .seed = seed}, kGoOn);
    return distilled->sublayers[3].out.weight;
  };
  EXPECT_TRUE(at::equal(run(1), run(1)));
  EXPECT_FALSE(at::equal(run(1), run(2)));
}

TEST_F(DistillationTest, EmptySublayersKeepABiasAndANorm) {
  auto [teacher, student] = HalfOf(Task::kSingleLabel);
  student.Keep(0, {});
  student.Keep(3, {});
  const auto distilled = Distill(teacher, student, samples_, {.steps = 3}, kGoOn);
  ASSERT_TRUE(distilled.ok()) << distilled.status();
  EXPECT_EQ(distilled->sublayers[3].num_units(), 0);
  EXPECT_TRUE(at::isfinite(RunSamples(*distilled, others_)).all().item<bool>());
}

TEST_F(DistillationTest, EndsWhenItIsToldTo) {
  const auto [teacher, student] = HalfOf(Task::kSingleLabel);
  int calls = 0;
  const auto distilled =
      Distill(teacher, student, samples_, {.steps = 100}, [&](double) { return ++calls < 3; });
  EXPECT_EQ(distilled.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(calls, 3);
}

TEST_F(DistillationTest, WeightsThatGrewWithoutBoundAreAnError) {
  const auto [teacher, student] = HalfOf(Task::kSingleLabel);
  Encoder broken = student;
  broken.sublayers[0].out.weight = broken.sublayers[0].out.weight.clone().fill_(1e38);
  const auto distilled = Distill(teacher, broken, samples_, {.steps = 2}, kGoOn);
  EXPECT_EQ(distilled.status().code(), absl::StatusCode::kInternal);
}

TEST(DifferentiableTest, IsTheEncodersForwardPass) {
  c10::NoGradGuard no_grad;
  const Encoder encoder = testing::RandomEncoder({.layers = 2, .hidden = 24, .heads = 4});
  const Batch batch = MakeBatches(testing::RandomSamples(5), kAnyNumber, "file", at::kCPU)[0];
  at::Tensor x = encoder.Embed(batch);
  for (int t = 0; t < 4; ++t) {
    const at::Tensor expected = encoder.Forward(t, x, batch);
    EXPECT_LT((DifferentiableForward(encoder, t, x, batch) - expected).abs().max().item<double>(), 1e-4);
    x = expected;
  }
}

TEST(AdamWTest, Examples) {
  // The first step goes by the learning rate against the gradient's sign, whatever its size, after the decay.
  const at::Tensor weight = at::tensor({1.0f, -2.0f});
  AdamW optimizer({weight}, /*weight_decay=*/0.5);
  optimizer.Step({at::tensor({0.3f, -40.0f})}, /*learning_rate=*/0.1, /*most_norm=*/1e9);
  EXPECT_NEAR(weight[0].item<float>(), 1.0 * (1 - 0.1 * 0.5) - 0.1, 1e-5);
  EXPECT_NEAR(weight[1].item<float>(), -2.0 * (1 - 0.1 * 0.5) + 0.1, 1e-5);
}

// The definition, in float64, over several steps with a norm that is clipped.
TEST(AdamWTest, EqualsItsDefinition) {
  at::manual_seed(4);
  const at::Tensor a = at::randn({3, 2}), b = at::randn({4});
  std::vector<at::Tensor> slow = {a.to(at::kDouble), b.to(at::kDouble)};
  std::vector<at::Tensor> m = {at::zeros_like(slow[0]), at::zeros_like(slow[1])},
                          v = {m[0].clone(), m[1].clone()};
  AdamW optimizer({a, b}, 0.01);
  for (int step = 1; step <= 5; ++step) {
    const std::vector<at::Tensor> g = {at::randn({3, 2}) * 2, at::randn({4}) * 2};
    const double rate = 0.1 / step;
    double norm = 0;
    for (const at::Tensor& x : g) norm += x.square().sum().item<double>();
    const double scale = std::min(1.0, 1.0 / (std::sqrt(norm) + 1e-6));
    for (int i = 0; i < 2; ++i) {
      const at::Tensor gradient = g[i].to(at::kDouble) * scale;
      m[i] = 0.9 * m[i] + 0.1 * gradient;
      v[i] = 0.98 * v[i] + 0.02 * gradient.square();
      const at::Tensor mean = m[i] / (1 - std::pow(0.9, step)), square = v[i] / (1 - std::pow(0.98, step));
      slow[i] = slow[i] * (1 - rate * 0.01) - rate * mean / (square.sqrt() + 1e-8);
    }
    optimizer.Step(g, rate, 1);
  }
  EXPECT_LT((a - slow[0]).abs().max().item<double>(), 1e-5);
  EXPECT_LT((b - slow[1]).abs().max().item<double>(), 1e-5);
}

}  // namespace
}  // namespace kprune
