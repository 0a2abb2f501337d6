#include "engine/evaluation/metrics.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "engine/evaluation/statistics.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

std::vector<Sample> Labelled(const std::vector<std::vector<double>>& labels) {
  std::vector<Sample> samples(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) samples[i].labels = labels[i];
  return samples;
}

at::Tensor Random(int64_t n, int64_t classes, uint64_t seed) {
  return at::randn({n, classes}, at::make_generator<at::CPUGeneratorImpl>(seed));
}

// A one-hot row for every prediction.
at::Tensor Logits(const std::vector<int64_t>& predictions, int64_t classes) {
  at::Tensor logits = at::zeros({static_cast<int64_t>(predictions.size()), classes});
  for (size_t i = 0; i < predictions.size(); ++i) logits[static_cast<int64_t>(i)][predictions[i]] = 2;
  return logits;
}

TEST(MetricsTest, Examples) {
  // Two classes: tp 2, fp 1, fn 1, tn 1.
  const Metric metric =
      *EvaluateMetric(Task::kSingleLabel, Logits({1, 1, 1, 0, 0}, 2), Labelled({{1}, {1}, {0}, {1}, {0}}));
  EXPECT_EQ(metric.name, "accuracy");
  EXPECT_EQ(metric.n, 5);
  EXPECT_DOUBLE_EQ(metric.value, 0.6);
  EXPECT_EQ(metric.interval95, WilsonInterval(3, 5));
  EXPECT_DOUBLE_EQ(metric.others.at("accuracy"), 0.6);
  EXPECT_DOUBLE_EQ(metric.others.at("f1"), 2.0 / 3);          // 2 tp / (2 tp + fp + fn)
  EXPECT_NEAR(metric.others.at("matthews"), 1.0 / 6, 1e-12);  // (2*1 - 1*1) / sqrt(3*3*2*2)
  EXPECT_FALSE(EvaluateMetric(Task::kEmbedding, at::zeros({1, 4}), Labelled({{0}})).has_value());
}

// Slow twin of accuracy and macro F1: one pass over the samples for every class.
TEST(MetricsTest, SeveralClassesMatchThePlainDefinitions) {
  const int64_t n = 200, classes = 4;
  const at::Tensor outputs = Random(n, classes, 5);
  std::vector<std::vector<double>> labels;
  for (int64_t i = 0; i < n; ++i) {
    const bool right = i % 3 != 0;
    labels.push_back(
        {right ? static_cast<double>(outputs[i].argmax().item<int64_t>()) : static_cast<double>(i % 4)});
  }
  const Metric metric = *EvaluateMetric(Task::kSingleLabel, outputs, Labelled(labels));
  double hits = 0, f1_sum = 0;
  at::Tensor predicted = at::zeros({n, classes}, at::kDouble),
             labelled = at::zeros({n, classes}, at::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t prediction = outputs[i].argmax().item<int64_t>(),
                  label = static_cast<int64_t>(labels[i][0]);
    hits += prediction == label;
    predicted[i][prediction] = 1;
    labelled[i][label] = 1;
  }
  for (int64_t c = 0; c < classes; ++c) {
    const double both = (predicted.select(1, c) * labelled.select(1, c)).sum().item<double>();
    const double precision = both / predicted.select(1, c).sum().item<double>();
    const double recall = both / labelled.select(1, c).sum().item<double>();
    f1_sum += 2 * precision * recall / (precision + recall);
  }
  // Gorodkin's R_K: the correlation of the one-hot tables.
  const at::Tensor p = predicted - predicted.mean(0), l = labelled - labelled.mean(0);
  const double rk =
      (p * l).sum().item<double>() / std::sqrt((p * p).sum().item<double>() * (l * l).sum().item<double>());
  EXPECT_DOUBLE_EQ(metric.value, hits / n);
  EXPECT_NEAR(metric.others.at("macro_f1"), f1_sum / classes, 1e-12);
  EXPECT_NEAR(metric.others.at("matthews"), rk, 1e-12);
}

TEST(MetricsTest, PerfectConstantAndWrongPredictions) {
  const std::vector<Sample> samples = Labelled({{0}, {1}, {0}, {1}});
  const Metric right = *EvaluateMetric(Task::kSingleLabel, Logits({0, 1, 0, 1}, 2), samples);
  EXPECT_EQ(right.value, 1);
  EXPECT_EQ(right.others.at("matthews"), 1);
  const Metric constant = *EvaluateMetric(Task::kSingleLabel, Logits({0, 0, 0, 0}, 2), samples);
  EXPECT_EQ(constant.value, 0.5);
  EXPECT_EQ(constant.others.at("f1"), 0);
  EXPECT_EQ(constant.others.at("matthews"), 0);
  EXPECT_EQ(EvaluateMetric(Task::kSingleLabel, Logits({1, 0, 1, 0}, 2), samples)->others.at("matthews"), -1);
}

TEST(MetricsTest, MultiLabelMatchesThePlainDefinition) {
  const int64_t n = 60, classes = 3;
  const at::Tensor outputs = Random(n, classes, 9);
  std::vector<std::vector<double>> labels;
  double tp = 0, fp = 0, fn = 0, exact = 0;
  for (int64_t i = 0; i < n; ++i) {
    labels.emplace_back();
    bool same = true;
    for (int64_t c = 0; c < classes; ++c) {
      const bool yes = outputs[i][c].item<float>() > 0, label = (i * 7 + c * 3) % 4 == 0 ? !yes : yes;
      labels.back().push_back(label);
      tp += yes && label;
      fp += yes && !label;
      fn += !yes && label;
      same = same && yes == label;
    }
    exact += same;
  }
  const Metric metric = *EvaluateMetric(Task::kMultiLabel, outputs, Labelled(labels));
  EXPECT_EQ(metric.name, "micro_f1");
  EXPECT_EQ(metric.n, n);
  EXPECT_DOUBLE_EQ(metric.value, 2 * tp / (2 * tp + fp + fn));
  EXPECT_DOUBLE_EQ(metric.others.at("exact_match"), exact / n);
  EXPECT_LT(metric.interval95.first, metric.value);
  EXPECT_GT(metric.interval95.second, metric.value);
}

TEST(MetricsTest, MultiLabelWithoutAnyYesIsZero) {
  const Metric metric =
      *EvaluateMetric(Task::kMultiLabel, at::full({3, 2}, -1.f), Labelled({{0, 0}, {0, 0}, {0, 0}}));
  EXPECT_EQ(metric.value, 0);
  EXPECT_EQ(metric.others.at("exact_match"), 1);
}

TEST(MetricsTest, RegressionIsSpearmanWithPearsonBeside) {
  const at::Tensor outputs = at::tensor({1.f, 3.f, 2.f, 4.f, 0.f}).view({5, 1});
  const Metric metric = *EvaluateMetric(Task::kRegression, outputs, Labelled({{1}, {2}, {3}, {5}, {-1}}));
  EXPECT_EQ(metric.name, "spearman");
  EXPECT_NEAR(metric.value, 0.9, 1e-12);  // one swapped pair of neighbours: 1 - 6 * 2 / (5 * 24)
  EXPECT_NEAR(metric.others.at("pearson"), 13 / std::sqrt(10.0 * 20.0), 1e-12);
  EXPECT_NEAR(metric.others.at("mse"), (0 + 1 + 1 + 1 + 1) / 5.0, 1e-12);
  EXPECT_LE(metric.interval95.first, metric.value);
  EXPECT_GE(metric.interval95.second, metric.value);
}

TEST(MetricsTest, TwoModelsAreComparedOnTheSameSamples) {
  // Right before: 0 1 2 3; right after: 0 1 4. Two lost, one gained.
  const std::vector<Sample> samples = Labelled({{1}, {1}, {1}, {0}, {0}, {0}});
  const at::Tensor before = Logits({1, 1, 1, 0, 1, 1}, 2), after = Logits({1, 1, 0, 1, 0, 1}, 2);
  const MetricDifference difference = *CompareMetrics(Task::kSingleLabel, before, after, samples);
  EXPECT_DOUBLE_EQ(difference.value, -1.0 / 6);
  EXPECT_EQ(difference.interval95, TangoInterval(1, 2, 6));
  EXPECT_EQ(difference.bound, "tango");
  EXPECT_FALSE(CompareMetrics(Task::kEmbedding, before, after, samples).has_value());
}

TEST(MetricsTest, DifferencesOfOtherMetricsAreThoseOfTheirValuesWithIntervalsInPairs) {
  std::vector<std::vector<double>> ratings, labels;
  const at::Tensor scores = Random(60, 1, 3), logits = Random(60, 3, 4), noise = Random(60, 1, 7);
  for (int64_t i = 0; i < 60; ++i) {
    ratings.push_back({scores[i][0].item<double>() + 0.5 * noise[i][0].item<double>()});
    labels.emplace_back();
    for (int64_t c = 0; c < 3; ++c) labels.back().push_back(logits[i][c].item<double>() > 0.3);
  }
  for (const auto& [task, outputs, samples] : {std::tuple{Task::kRegression, scores, Labelled(ratings)},
                                               {Task::kMultiLabel, logits, Labelled(labels)}}) {
    const at::Tensor noisy = outputs + 0.3 * Random(60, outputs.size(1), 9);
    const MetricDifference difference = *CompareMetrics(task, outputs, noisy, samples);
    const Metric before = *EvaluateMetric(task, outputs, samples),
                 after = *EvaluateMetric(task, noisy, samples);
    EXPECT_NEAR(difference.value, after.value - before.value, 1e-12);
    EXPECT_EQ(difference.bound, "bootstrap");
    EXPECT_LT(difference.interval95.first, difference.value);
    EXPECT_GT(difference.interval95.second, difference.value);
    // In pairs: narrower than what both metrics vary by themselves.
    EXPECT_LT(difference.interval95.second - difference.interval95.first,
              before.interval95.second - before.interval95.first + after.interval95.second -
                  after.interval95.first);
    const MetricDifference none = *CompareMetrics(task, outputs, outputs, samples);
    EXPECT_EQ(none.value, 0);
    EXPECT_EQ(none.interval95, (std::pair<double, double>(0, 0)));
  }
}

}  // namespace
}  // namespace kprune
