#include "engine/pruning/objective.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

namespace kprune {
namespace {

constexpr double kTemperature = 2;

// Sum over probes of g g^T for every sequence: the matrix that the squared gradients stand for, [N, C, C].
at::Tensor ProbedCurvature(Task task, const at::Tensor& logits, at::Generator& random) {
  c10::AutoGradMode grad_mode(true);
  const at::Tensor leaf = logits.clone().requires_grad_(true);
  at::Tensor sum = at::zeros({logits.size(0), logits.size(1), logits.size(1)}, logits.options());
  for (const at::Tensor& probe : FisherProbes(task, leaf, kTemperature, random)) {
    const at::Tensor g = torch::autograd::grad({probe}, {leaf}, {}, /*retain_graph=*/true)[0];
    sum = sum + g.unsqueeze(2) * g.unsqueeze(1);
  }
  return sum;
}

// gamma^2 times the Fisher information of softmax(l / gamma) in l: diag(p) - p p^T.
at::Tensor MultinomialFisher(const at::Tensor& logits) {
  const at::Tensor p = at::softmax(logits / kTemperature, 1);
  return at::diag_embed(p) - p.unsqueeze(2) * p.unsqueeze(1);
}

TEST(FisherProbesTest, Examples) {
  // Two classes need one backward pass, C classes C - 1.
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(0);
  EXPECT_EQ(FisherProbes(Task::kSingleLabel, at::randn({4, 2}), kTemperature, random).size(), 1u);
  EXPECT_EQ(FisherProbes(Task::kSingleLabel, at::randn({4, 5}), kTemperature, random).size(), 4u);
  EXPECT_EQ(FisherProbes(Task::kRegression, at::randn({4, 1}), kTemperature, random).size(), 1u);
}

class ExactFisherTest : public ::testing::TestWithParam<int> {};

TEST_P(ExactFisherTest, ProbesFactorTheFisherInformationOfTheSoftmax) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(0);
  const at::Tensor logits = at::randn({6, GetParam()}, at::kDouble) * 3;
  EXPECT_LT((ProbedCurvature(Task::kSingleLabel, logits, random) - MultinomialFisher(logits))
                .abs()
                .max()
                .item<double>(),
            1e-12);
}

INSTANTIATE_TEST_SUITE_P(Classes, ExactFisherTest, ::testing::Values(2, 3, 4, 9));

TEST(FisherProbesTest, CertainPredictionsGiveFiniteProbes) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(0);
  const at::Tensor logits = at::tensor({400.0f, -400.0f, 0.0f, -400.0f, 400.0f, 0.0f}).view({2, 3});
  EXPECT_TRUE(at::isfinite(ProbedCurvature(Task::kSingleLabel, logits, random)).all().item<bool>());
}

TEST(FisherProbesTest, SampledLabelsOfManyClassesAreRightOnAverage) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(5);
  const at::Tensor logits = at::randn({1, 12}, random, at::TensorOptions(at::kDouble));
  // Equal sequences draw labels independently: their mean has the error of 4 x 20,000 draws.
  const at::Tensor mean = ProbedCurvature(Task::kSingleLabel, logits.expand({20000, 12}), random).mean(0);
  EXPECT_LT((mean - MultinomialFisher(logits)[0]).abs().max().item<double>(), 0.01);
}

TEST(FisherProbesTest, LabelsOfMultiLabelTasksAreIndependent) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(0);
  const at::Tensor logits = at::randn({5, 4}, at::kDouble);
  const at::Tensor p = at::sigmoid(logits / kTemperature);
  EXPECT_LT((ProbedCurvature(Task::kMultiLabel, logits, random) - at::diag_embed(p * (1 - p)))
                .abs()
                .max()
                .item<double>(),
            1e-12);
}

TEST(FisherProbesTest, SquaredErrorHasCurvatureTwo) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(2);
  EXPECT_NEAR(
      ProbedCurvature(Task::kRegression, at::randn({3, 1}, at::kDouble), random).mean().item<double>(), 2,
      1e-12);
  const at::Tensor mean =
      ProbedCurvature(Task::kEmbedding, at::randn({20000, 3}, at::kDouble), random).mean(0);
  EXPECT_LT((mean - 2 * at::eye(3, at::kDouble)).abs().max().item<double>(), 0.05);
}

// Mean of g g^T over samples of `rows` rows each, [rows C, rows C]: g is a whole sample's.
at::Tensor MeanCurvature(Task task, const at::Tensor& logits_NC, int64_t rows, at::Generator& random) {
  c10::AutoGradMode grad_mode(true);
  const int64_t samples = logits_NC.size(0) / rows;
  std::vector<int64_t> offsets;
  for (int64_t n = 0; n <= samples; ++n) offsets.push_back(n * rows);
  const at::Tensor leaf = logits_NC.clone().requires_grad_(true);
  at::Tensor sum = at::zeros({rows * logits_NC.size(1), rows * logits_NC.size(1)}, logits_NC.options());
  for (const at::Tensor& probe : FisherProbes(task, leaf, kTemperature, random, offsets)) {
    const at::Tensor g =
        torch::autograd::grad({probe}, {leaf}, {}, /*retain_graph=*/true)[0].view({samples, -1});
    sum = sum + g.t().mm(g) / static_cast<double>(samples);
  }
  return sum;
}

TEST(FisherProbesTest, TokensOfASampleAddUpWithoutWhatIsBetweenThem) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(3);
  const at::Tensor logits = at::randn({2, 3}, random, at::TensorOptions(at::kDouble));
  const at::Tensor fisher = MultinomialFisher(logits);
  const at::Tensor expected = at::block_diag({fisher[0], fisher[1]});
  for (const Task task : {Task::kTokenClassification, Task::kMaskedLm}) {
    const at::Tensor mean = MeanCurvature(task, logits.repeat({20000, 1}), 2, random);
    EXPECT_LT((mean - expected).abs().max().item<double>(), 0.01);
  }
}

TEST(FisherProbesTest, StartAndEndOfAnAnswerAreTwoSoftmaxesOverTheTokens) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(4);
  const at::Tensor logits = at::randn({3, 2}, random, at::TensorOptions(at::kDouble));
  const at::Tensor fisher = MultinomialFisher(logits.t().contiguous());  // of starts, of ends
  at::Tensor expected = at::zeros({3, 2, 3, 2}, at::kDouble);
  for (int64_t column = 0; column < 2; ++column)
    expected.select(3, column).select(1, column).copy_(fisher[column]);
  const at::Tensor mean = MeanCurvature(Task::kQuestionAnswering, logits.repeat({20000, 1}), 3, random);
  EXPECT_LT((mean - expected.view({6, 6})).abs().max().item<double>(), 0.01);
}

TEST(FisherProbesTest, ChoicesAreOneSoftmaxOverTheSequencesOfASample) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(5);
  const at::Tensor logits = at::randn({4, 1}, random, at::TensorOptions(at::kDouble));
  const at::Tensor expected = MultinomialFisher(logits.t().contiguous())[0];
  EXPECT_LT((MeanCurvature(Task::kMultipleChoice, logits, 4, random) - expected).abs().max().item<double>(),
            1e-12);
}

TEST(FisherProbesTest, SequencesOfDifferentLengthsDoNotSeeTheirPadding) {
  c10::AutoGradMode grad_mode(true);
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(6);
  const at::Tensor leaf = at::randn({7, 2}, random, at::TensorOptions(at::kDouble)).requires_grad_(true);
  const std::vector<int64_t> offsets = {0, 1, 7};
  for (const at::Tensor& probe :
       FisherProbes(Task::kQuestionAnswering, leaf, kTemperature, random, offsets)) {
    const at::Tensor g = torch::autograd::grad({probe}, {leaf}, {}, /*retain_graph=*/true)[0];
    EXPECT_TRUE(at::isfinite(g).all().item<bool>());
    EXPECT_LT(g[0].abs().max().item<double>(), 1e-12) << "one token is certain";
    EXPECT_GT(g.narrow(0, 1, 6).abs().max().item<double>(), 0.01);
    EXPECT_LT(g.sum(0).abs().max().item<double>(), 1e-12);
  }
}

TEST(DistillationLossTest, SoftmaxesOverRowsAreThoseOfTheirSegments) {
  const at::Tensor student = at::randn({5, 2}, at::kDouble), teacher = at::randn({5, 2}, at::kDouble);
  const std::vector<int64_t> offsets = {0, 2, 5};
  double expected = 0;
  for (const auto& [begin, size] : {std::pair{0, 2}, {2, 3}}) {
    for (int64_t column = 0; column < 2; ++column) {
      const auto row = [begin = begin, size = size, column](const at::Tensor& logits) {
        return logits.narrow(0, begin, size).select(1, column).unsqueeze(0).contiguous();
      };
      expected +=
          DistillationLoss(Task::kSingleLabel, row(student), row(teacher), kTemperature).item<double>();
    }
  }
  EXPECT_NEAR(
      DistillationLoss(Task::kQuestionAnswering, student, teacher, kTemperature, offsets).item<double>(),
      expected, 1e-10);
  const auto column = [](const at::Tensor& logits) { return logits.narrow(1, 0, 1); };
  const double choices =
      DistillationLoss(Task::kMultipleChoice, column(student), column(teacher), kTemperature, offsets)
          .item<double>();
  EXPECT_GT(choices, 0);
  EXPECT_LT(choices, expected);
}

TEST(DistillationLossTest, IsZeroAtTheTeacherAndTheKlDivergenceElsewhere) {
  const at::Tensor student = at::randn({4, 3}, at::kDouble), teacher = at::randn({4, 3}, at::kDouble);
  EXPECT_NEAR(DistillationLoss(Task::kSingleLabel, teacher, teacher, kTemperature).item<double>(), 0, 1e-12);
  const at::Tensor p = at::softmax(teacher / kTemperature, 1), q = at::softmax(student / kTemperature, 1);
  const double kl = (p * (p / q).log()).sum().item<double>();
  EXPECT_NEAR(DistillationLoss(Task::kSingleLabel, student, teacher, kTemperature).item<double>(), 4 * kl,
              1e-10);
  EXPECT_NEAR(DistillationLoss(Task::kRegression, student, teacher, kTemperature).item<double>(),
              (student - teacher).square().sum().item<double>(), 1e-12);
  const at::Tensor yes = at::sigmoid(teacher / kTemperature), q_yes = at::sigmoid(student / kTemperature);
  const double bernoulli =
      (yes * (yes / q_yes).log() + (1 - yes) * ((1 - yes) / (1 - q_yes)).log()).sum().item<double>();
  EXPECT_NEAR(DistillationLoss(Task::kMultiLabel, student, teacher, kTemperature).item<double>(),
              4 * bernoulli, 1e-10);
}

}  // namespace
}  // namespace kprune
