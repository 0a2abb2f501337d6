#include "engine/evaluation/agreement.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <vector>

#include "engine/evaluation/statistics.h"
#include "engine/pruning/objective.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

at::Tensor Random(int64_t n, int64_t classes, uint64_t seed) {
  return at::randn({n, classes}, at::make_generator<at::CPUGeneratorImpl>(seed));
}

double At(const at::Tensor& tensor, int64_t row, int64_t column) {
  return tensor[row][column].item<double>();
}

TEST(AgreementTest, Examples) {
  const at::Tensor original = at::tensor({0.f, 0.f, 3.f, 0.f}).view({2, 2});
  // Softmax (1/2, 1/2) against (3/4, 1/4): KL = 1/2 ln(2/3) + 1/2 ln 2; the second row is the same.
  const at::Tensor pruned = at::tensor({static_cast<float>(std::log(3.0)), 0.f, 3.f, 0.f}).view({2, 2});
  const nlohmann::json agreement = Agreement(Task::kSingleLabel, original, pruned);
  EXPECT_EQ(agreement["n"], 2);
  EXPECT_EQ(agreement["top1"], 1.0);
  EXPECT_NEAR(agreement["kl"], (0.5 * std::log(2.0 / 3) + 0.5 * std::log(2.0)) / 2, 1e-7);
}

TEST(AgreementTest, ListsTheSamplesWhosePredictionFlipped) {
  std::vector<Sample> samples(150);
  for (int i = 0; i < 150; ++i) {
    samples[i].file = i % 2;
    samples[i].line = 10 + i;
  }
  const at::Tensor original = at::tensor({1.f, 0.f}).expand({150, 2}).clone();
  at::Tensor pruned = original.clone();
  EXPECT_EQ(FlippedSamples(Task::kSingleLabel, original, pruned, samples)["n"], 0);
  pruned[3] = at::tensor({0.f, 1.f});
  const nlohmann::json one = FlippedSamples(Task::kSingleLabel, original, pruned, samples);
  EXPECT_EQ(one, nlohmann::json::parse(
                     R"({"n": 1, "samples": [{"file": 2, "line": 13, "original": 0, "pruned": 1}]})"));
  const nlohmann::json all = FlippedSamples(Task::kSingleLabel, original, original.flip(1), samples);
  EXPECT_EQ(all["n"], 150);
  EXPECT_EQ(all["samples"].size(), static_cast<size_t>(kMostFlipped));
  pruned = original.clone();
  pruned[0][1] = 5;
  const nlohmann::json labels = FlippedSamples(Task::kMultiLabel, original, pruned, samples);
  EXPECT_EQ(labels["samples"][0]["pruned"], nlohmann::json({1, 1}));
  EXPECT_TRUE(FlippedSamples(Task::kRegression, original, pruned, samples).is_null());
}

TEST(AgreementTest, IntervalsHoldTheMeanAndShrinkWithSamples) {
  for (const Task task : {Task::kSingleLabel, Task::kMultiLabel, Task::kRegression, Task::kEmbedding}) {
    const int64_t width = task == Task::kRegression ? 1 : 4;
    double last = 2;
    for (const int64_t n : {50, 800}) {
      const at::Tensor original = Random(n, width, 1), pruned = original + 0.7 * Random(n, width, 2);
      const nlohmann::json agreement = Agreement(task, original, pruned);
      ASSERT_FALSE(agreement["interval95"].empty());
      for (const auto& [name, interval] : agreement["interval95"].items()) {
        EXPECT_LT(interval[0], agreement[name]) << name;
        EXPECT_GT(interval[1], agreement[name]) << name;
      }
      const nlohmann::json& first = *agreement["interval95"].begin();
      EXPECT_LT(first[1].get<double>() - first[0].get<double>(), last);
      last = first[1].get<double>() - first[0].get<double>();
    }
  }
}

TEST(AgreementTest, SingleLabelMatchesPlainLoops) {
  const int64_t n = 40, classes = 5;
  const at::Tensor original = Random(n, classes, 1), pruned = original + Random(n, classes, 2);
  double kl = 0, same = 0;
  for (int64_t i = 0; i < n; ++i) {
    double sum_p = 0, sum_q = 0;
    for (int64_t c = 0; c < classes; ++c) {
      sum_p += std::exp(At(original, i, c));
      sum_q += std::exp(At(pruned, i, c));
    }
    int64_t best_p = 0, best_q = 0;
    for (int64_t c = 0; c < classes; ++c) {
      const double p = std::exp(At(original, i, c)) / sum_p, q = std::exp(At(pruned, i, c)) / sum_q;
      kl += p * std::log(p / q);
      if (At(original, i, c) > At(original, i, best_p)) best_p = c;
      if (At(pruned, i, c) > At(pruned, i, best_q)) best_q = c;
    }
    same += best_p == best_q;
  }
  ASSERT_LT(same, n);
  const nlohmann::json agreement = Agreement(Task::kSingleLabel, original, pruned);
  EXPECT_NEAR(agreement["kl"], kl / n, 1e-6);
  EXPECT_NEAR(agreement["top1"], same / n, 1e-12);
}

TEST(AgreementTest, MultiLabelMatchesPlainLoops) {
  const int64_t n = 30, classes = 3;
  const at::Tensor original = Random(n, classes, 3), pruned = original + Random(n, classes, 4);
  double kl = 0, same = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < classes; ++c) {
      const double p = 1 / (1 + std::exp(-At(original, i, c))), q = 1 / (1 + std::exp(-At(pruned, i, c)));
      kl += p * std::log(p / q) + (1 - p) * std::log((1 - p) / (1 - q));
      same += (At(original, i, c) > 0) == (At(pruned, i, c) > 0);
    }
  }
  const nlohmann::json agreement = Agreement(Task::kMultiLabel, original, pruned);
  EXPECT_NEAR(agreement["kl"], kl / n, 1e-6);
  EXPECT_NEAR(agreement["top1"], same / (n * classes), 1e-12);
}

TEST(AgreementTest, RegressionComparesValues) {
  const at::Tensor original = at::tensor({1.f, 2.f, 3.f, 4.f}).view({4, 1});
  const at::Tensor pruned = at::tensor({2.f, 1.f, 4.f, 6.f}).view({4, 1});
  const nlohmann::json agreement = Agreement(Task::kRegression, original, pruned);
  EXPECT_NEAR(agreement["pearson"], PearsonCorrelation({1, 2, 3, 4}, {2, 1, 4, 6}), 1e-12);
  EXPECT_NEAR(agreement["spearman"], 0.8, 1e-12);
  EXPECT_NEAR(agreement["rmse"], std::sqrt(7 / 4.0), 1e-12);
}

TEST(AgreementTest, EmbeddingsCompareDirectionsAndPairs) {
  const int64_t n = 12, d = 4;
  const at::Tensor original = Random(n, d, 6), pruned = original + 0.7 * Random(n, d, 7);
  const auto cosine = [&](const at::Tensor& a, int64_t i, const at::Tensor& b, int64_t j) {
    double ab = 0, aa = 0, bb = 0;
    for (int64_t k = 0; k < d; ++k) {
      ab += At(a, i, k) * At(b, j, k);
      aa += At(a, i, k) * At(a, i, k);
      bb += At(b, j, k) * At(b, j, k);
    }
    return ab / std::sqrt(aa * bb);
  };
  double mean = 0;
  std::vector<double> pairs_original, pairs_pruned;
  for (int64_t i = 0; i < n; ++i) {
    mean += cosine(original, i, pruned, i) / n;
    for (int64_t j = i + 1; j < n; ++j) {
      pairs_original.push_back(cosine(original, i, original, j));
      pairs_pruned.push_back(cosine(pruned, i, pruned, j));
    }
  }
  const nlohmann::json agreement = Agreement(Task::kEmbedding, original, pruned);
  EXPECT_EQ(agreement["n"], n);
  EXPECT_NEAR(agreement["cosine"], mean, 1e-6);
  EXPECT_NEAR(agreement["spearman"], SpearmanCorrelation(pairs_original, pairs_pruned), 1e-6);
}

TEST(AgreementTest, AModelAgreesWithItself) {
  for (Task task : {Task::kSingleLabel, Task::kMultiLabel}) {
    const nlohmann::json agreement = Agreement(task, Random(9, 3, 8), Random(9, 3, 8));
    EXPECT_EQ(agreement["top1"], 1.0);
    EXPECT_NEAR(agreement["kl"], 0, 1e-12);
  }
  const nlohmann::json embeddings = Agreement(Task::kEmbedding, Random(9, 3, 8), Random(9, 3, 8));
  EXPECT_NEAR(embeddings["cosine"], 1, 1e-12);
  EXPECT_NEAR(embeddings["spearman"], 1, 1e-12);
}

// Sequences of so many tokens, all of which count, of lines 1, 2 ...
std::vector<Sample> OfLengths(const std::vector<int>& lengths) {
  std::vector<Sample> samples;
  for (const int length : lengths) {
    Sample& sample = samples.emplace_back();
    sample.input_ids.assign(length, 5);
    sample.token_type_ids.assign(length, 0);
    sample.line = static_cast<int64_t>(samples.size());
  }
  return samples;
}

TEST(AgreementTest, OfTokensIsAShareOfTokensWithIntervalsOverSamples) {
  const std::vector<Sample> samples = OfLengths({3, 1, 4});
  const at::Tensor original = Random(8, 3, 4);
  at::Tensor pruned = original.clone();
  pruned[3] = -original[3];
  const nlohmann::json agreement = Agreement(Task::kTokenClassification, original, pruned, samples);
  EXPECT_EQ(agreement["n"], 3);
  EXPECT_EQ(agreement["tokens"], 8);
  EXPECT_EQ(agreement["top1"], 7.0 / 8);
  const double kl = DistillationLoss(Task::kSingleLabel, pruned, original, 1).item<double>();
  EXPECT_NEAR(agreement["kl"], kl / 8, 1e-6);
  EXPECT_EQ(agreement["interval95"]["top1"][0], 0) << "of the second sample alone nothing agrees";
  const nlohmann::json flipped = FlippedSamples(Task::kTokenClassification, original, pruned, samples);
  EXPECT_EQ(flipped["n"], 1);
  EXPECT_EQ(flipped["samples"][0]["line"], 2);
  EXPECT_EQ(flipped["samples"][0]["tokens"], nlohmann::json({0}));

  const nlohmann::json same = Agreement(Task::kTokenClassification, original, original, samples);
  EXPECT_EQ(same["top1"], 1);
  EXPECT_LT(same["interval95"]["top1"][0], 0.5) << "three samples show little";
}

TEST(AgreementTest, OfAnswersAndChoicesIsAShareOfLines) {
  const std::vector<Sample> questions = OfLengths({4, 5});
  at::Tensor original = at::zeros({9, 2}), pruned;
  original[1][0] = original[2][1] = original[5][0] = original[6][1] = 3;
  pruned = original.clone();
  pruned[7][1] = 4;
  const nlohmann::json answers = Agreement(Task::kQuestionAnswering, original, pruned, questions);
  EXPECT_EQ(answers["n"], 2);
  EXPECT_EQ(answers["top1"], 0.5);
  const nlohmann::json flipped = FlippedSamples(Task::kQuestionAnswering, original, pruned, questions);
  EXPECT_EQ(flipped["samples"][0]["original"], "tokens 1 to 2");
  EXPECT_EQ(flipped["samples"][0]["pruned"], "tokens 1 to 3");

  std::vector<Sample> choices = OfLengths({2, 2, 2, 2});
  for (size_t i = 0; i < choices.size(); ++i) {
    choices[i].choice = static_cast<int32_t>(i % 2);
    choices[i].line = 1 + static_cast<int64_t>(i / 2);
  }
  const at::Tensor before = at::tensor({1.f, 2.f, 3.f, 0.f}).unsqueeze(1),
                   after = at::tensor({2.f, 1.f, 3.f, 0.f}).unsqueeze(1);
  EXPECT_EQ(Agreement(Task::kMultipleChoice, before, after, choices)["top1"], 0.5);
  EXPECT_EQ(FlippedSamples(Task::kMultipleChoice, before, after, choices)["samples"][0]["original"], 1);
}

TEST(AgreementTest, RecallSaysWhichNeighboursAreFoundAgain) {
  const at::Tensor original = Random(40, 6, 5);
  const nlohmann::json same = Agreement(Task::kEmbedding, original, original);
  EXPECT_EQ(same["recall_at_10"], 1);
  EXPECT_EQ(same["recall_at_10_old_index"], 1);
  // Turned about, all keep their neighbours, but an index of the original's vectors is of no more use.
  const at::Tensor turned = original.flip(1);
  const nlohmann::json other = Agreement(Task::kEmbedding, original, turned);
  EXPECT_EQ(other["recall_at_10"], 1);
  EXPECT_LT(other["recall_at_10_old_index"], 0.5);
  EXPECT_LE(other["interval95"]["recall_at_10_old_index"][0], other["recall_at_10_old_index"]);
  EXPECT_FALSE(Agreement(Task::kEmbedding, Random(10, 6, 5), Random(10, 6, 5)).contains("recall_at_10"));
}

}  // namespace
}  // namespace kprune
