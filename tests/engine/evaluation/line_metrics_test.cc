#include "engine/evaluation/line_metrics.h"

#include <ATen/ATen.h>

#include <numeric>

#include "engine/evaluation/metrics.h"
#include "engine/formats/json.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

// A row for each number, whose largest output is that class.
at::Tensor Logits(const std::vector<int64_t>& classes, int64_t count) {
  return at::one_hot(at::tensor(classes, at::kLong), count).to(at::kFloat);
}

// Tokens that count have these labels.
Sample Labelled(const std::vector<double>& labels) {
  Sample sample;
  sample.labels = labels;
  for (size_t i = 0; i < labels.size(); ++i) sample.positions.push_back(static_cast<int32_t>(i));
  sample.input_ids.assign(labels.size(), 5);
  sample.token_type_ids.assign(labels.size(), 0);
  return sample;
}

const std::vector<std::string> kTags = {"O", "B-X", "I-X"};

TEST(LineMetricsTest, Examples) {
  // Two sentences: one entity found, one missed, one that is none.
  const std::vector<Sample> samples = {Labelled({1, 2, 0}), Labelled({1, 0})};
  const Metric metric =
      *EvaluateMetric(Task::kTokenClassification, Logits({1, 2, 0, 0, 1}, 3), samples, kTags);
  EXPECT_EQ(metric.name, "entity_f1");
  EXPECT_EQ(metric.value, 0.5);
  EXPECT_EQ(metric.n, 2);
  EXPECT_EQ(metric.others.at("token_accuracy"), 0.6);
  EXPECT_EQ(metric.others.at("precision"), 0.5);
  EXPECT_EQ(metric.others.at("recall"), 0.5);

  // Classes that are no entities.
  const Metric tokens = *EvaluateMetric(Task::kTokenClassification, Logits({1, 2, 0, 0, 1}, 3), samples,
                                        std::vector<std::string>{"NOUN", "VERB", "X"});
  EXPECT_EQ(tokens.name, "token_accuracy");
  EXPECT_EQ(tokens.value, 0.6);
}

TEST(LineMetricsTest, EntityF1IsSeqevals) {
  const absl::StatusOr<nlohmann::json> cases =
      ReadJsonFile(KPRUNE_SOURCE_DIR "/tests/engine/evaluation/goldens/entities.json");
  ASSERT_TRUE(cases.ok()) << cases.status();
  for (const nlohmann::json& value : *cases) {
    std::map<std::string, int64_t> ids = {{"B-PER", 0}};  // so that they are seen to be tags
    std::vector<int64_t> found;
    std::vector<Sample> samples;
    const auto id = [&](const std::string& tag) {
      return ids.emplace(tag, static_cast<int64_t>(ids.size())).first->second;
    };
    for (size_t i = 0; i < value["right"].size(); ++i) {
      std::vector<double> labels;
      for (const std::string tag : value["right"][i]) labels.push_back(static_cast<double>(id(tag)));
      for (const std::string tag : value["found"][i]) found.push_back(id(tag));
      samples.push_back(Labelled(labels));
    }
    std::vector<std::string> names(ids.size());
    for (const auto& [tag, number] : ids) names[number] = tag;
    const Metric metric = *EvaluateMetric(Task::kTokenClassification,
                                          Logits(found, static_cast<int64_t>(ids.size())), samples, names);
    EXPECT_NEAR(metric.value, value["f1"].get<double>(), 1e-12) << value;
    EXPECT_NEAR(metric.others.at("precision"), value["precision"].get<double>(), 1e-12);
    EXPECT_NEAR(metric.others.at("recall"), value["recall"].get<double>(), 1e-12);
  }
}

TEST(LineMetricsTest, MaskedTokensAreFoundOrNot) {
  const std::vector<Sample> samples = {Labelled({3, 1}), Labelled({0})};
  const at::Tensor logits = Logits({3, 2, 0}, 4);
  const Metric metric = *EvaluateMetric(Task::kMaskedLm, logits, samples);
  EXPECT_EQ(metric.name, "masked_accuracy");
  EXPECT_NEAR(metric.value, 2.0 / 3, 1e-12);
  const double e = std::exp(1.0), hit = -std::log(e / (e + 3)), miss = -std::log(1 / (e + 3));
  EXPECT_NEAR(metric.others.at("pseudo_perplexity"), std::exp((2 * hit + miss) / 3), 1e-6);
}

TEST(LineMetricsTest, OfSeveralChoicesTheLargestIsTaken) {
  std::vector<Sample> samples(5);
  const std::vector<int32_t> choices = {0, 1, 0, 1, 2};
  const std::vector<double> right = {1, 1, 0, 0, 0};
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i].choice = choices[i];
    samples[i].labels = {right[i]};
  }
  const at::Tensor outputs = at::tensor({0.f, 1.f, 2.f, 3.f, 1.f}).unsqueeze(1);
  EXPECT_EQ(BestChoices(outputs, samples), (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(ChoiceHits(outputs, samples), (std::vector<bool>{true, false}));
  const Metric metric = *EvaluateMetric(Task::kMultipleChoice, outputs, samples);
  EXPECT_EQ(metric.name, "accuracy");
  EXPECT_EQ(metric.value, 0.5);
  EXPECT_EQ(metric.n, 2);
  const MetricDifference difference = *CompareMetrics(Task::kMultipleChoice, outputs, -outputs, samples);
  EXPECT_EQ(difference.value, -0.5);
  EXPECT_EQ(difference.bound, "tango");
}

TEST(LineMetricsTest, AnswersInTokenIdsAreComparedByTheirTokens) {
  Sample sample = Labelled({2, 3});
  sample.positions.clear();
  sample.input_ids.assign(6, 5);
  sample.token_type_ids.assign(6, 0);
  at::Tensor logits = at::zeros({6, 2});
  logits[3][0] = logits[4][1] = 5;
  const Metric metric = *EvaluateMetric(Task::kQuestionAnswering, logits, std::vector<Sample>{sample});
  EXPECT_EQ(metric.name, "f1");
  EXPECT_EQ(metric.value, 0.5) << "one of two tokens, both ways";
  EXPECT_EQ(metric.others.at("exact_match"), 0);
}

}  // namespace
}  // namespace kprune
