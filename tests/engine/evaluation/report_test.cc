#include "engine/evaluation/report.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/latency_table.h"

namespace kprune {
namespace {

using nlohmann::json;

ReportContents Contents() {
  ReportContents contents;
  contents.options.seed = 7;
  contents.family = "bert";
  contents.task = "text-classification";
  contents.samples = 100;
  contents.tokens = 2500;
  contents.budget = {.sequence_length = 25, .original_flops = 1000, .budget_flops = 500};
  contents.kept_flops = 498;
  contents.original_parameters = 40;
  contents.kept_parameters = 30;
  contents.original_file_bytes = 160;
  contents.kept_file_bytes = 120;
  for (int index : {0, 1}) {
    contents.sublayers.push_back({.index = index,
                                  .total = 2,
                                  .kind = index == 0 ? SublayerKind::kAttention : SublayerKind::kFeedForward,
                                  .units = 12,
                                  .kept = 5,
                                  .measure_seconds = 1,
                                  .search_seconds = 0.25,
                                  .tune_seconds = 0.5,
                                  .solver = "cholesky",
                                  .condition = 10,
                                  .reconstruction_error = 0.125});
  }
  contents.agreement = json{{"n", 10}, {"top1", 0.9}, {"kl", 0.05}};
  contents.original_metric = Metric{"accuracy", 0.9, 50, {0.8, 0.95}, {}};
  contents.pruned_metric = Metric{"accuracy", 0.88, 50, {0.77, 0.94}, {}};
  contents.metric_difference = MetricDifference{-0.02, {-0.09, 0.04}, "tango"};
  contents.load_seconds = 0.5;
  contents.total_seconds = 4;
  contents.device = "cpu";
  contents.precision = "fp32";
  contents.inputs = {{"model/config.json", "ab"}};
  return contents;
}

TEST(ReportTest, TheMetricHasItsDifferenceAndAChosenModelItsLoss) {
  ReportContents contents = Contents();
  EXPECT_EQ(MakeReport(contents)["metric"]["difference"],
            json::parse(R"({"value": -0.02, "interval95": [-0.09, 0.04]})"));
  EXPECT_FALSE(MakeReport(contents).contains("max_drop"));
  contents.max_drop = {{"points", 2}};
  EXPECT_EQ(MakeReport(contents)["max_drop"]["points"], 2);
}

TEST(ReportTest, ALatencyBudgetHasWhatTheTableSays) {
  ReportContents contents = Contents();
  EXPECT_FALSE(MakeReport(contents).contains("latency_budget"));
  contents.options.target_latency_ms = 9;
  contents.options.latency_table = testing::EvenLatencyTable(1, 12, 12);
  contents.budget.latency = LatencyBudget{9, {2, {}, {}}};
  for (int kept = 0; kept <= 12; ++kept) {
    contents.budget.latency->costs.attention_ms.push_back(kept);
    contents.budget.latency->costs.feed_forward_ms.push_back(0.25 * kept);
  }
  EXPECT_EQ(MakeReport(contents)["latency_budget"],
            json::parse(R"({"target_ms": 9.0, "predicted_ms": 8.25, "original_ms": 17.0, "batch_size": 4,
                            "tokens": 25.0, "runtime": "ONNX Runtime 1.0", "device_name": "a machine",
                            "threads": 2})"));
}

TEST(ReportTest, HasTheLatencyOfSeveralBatchSizes) {
  ReportContents contents = Contents();
  EXPECT_FALSE(MakeReport(contents)["latency"].contains("by_batch_size"));
  contents.latency_by_batch_size = {{{1, 25}, 3, 2}, {{8, 25}, 20, 9}};
  EXPECT_EQ(MakeReport(contents)["latency"]["by_batch_size"][1],
            json::parse(R"({"batch_size": 8, "tokens": 25, "original_ms": 20.0, "pruned_ms": 9.0})"));
}

TEST(ReportTest, HasTheCurvesOfAMethodThatPredictsLosses) {
  ReportContents contents = Contents();
  EXPECT_TRUE(MakeReport(contents)["curves"].is_null());
  contents.curves = {{{0, 12}, {0, 0.5}}, {{0, 6, 12}, {0, 0.25, 2}}};
  EXPECT_EQ(
      MakeReport(contents)["curves"],
      json::parse(
          R"([{"removed": [0, 12], "loss": [0, 0.5]}, {"removed": [0, 6, 12], "loss": [0, 0.25, 2]}])"));
}

TEST(ReportTest, TellsWhatWasTriedAndChosen) {
  ReportContents contents = Contents();
  EXPECT_TRUE(MakeReport(contents)["chosen"].is_null());
  contents.chosen = SettingChoice{.chosen = {.lambda_rep = 0.01, .mu = 8},
                                  .judged_by = "kl",
                                  .samples = 25,
                                  .tried = {{{0, 1}, 0.5}, {{0.01, 8}, 0.25}},
                                  .measurements = 7,
                                  .seconds = 3};
  EXPECT_EQ(MakeReport(contents)["chosen"],
            json::parse(R"({"lambda_rep": 0.01, "mu": 8, "judged_by": "kl", "samples": 25,
      "tried": [{"lambda_rep": 0, "mu": 1, "loss": 0.5}, {"lambda_rep": 0.01, "mu": 8, "loss": 0.25}],
      "measurements": 7, "seconds": 3})"));
}

// The fields that design.md, section 9, promises.
TEST(ReportTest, Examples) {
  const json report = MakeReport(Contents());
  const std::vector<std::string> fields = {"/schema_version",
                                           "/method",
                                           "/options",
                                           "/seed",
                                           "/samples",
                                           "/tokens",
                                           "/sequence_length",
                                           "/flops/original",
                                           "/flops/kept",
                                           "/flops/ratio",
                                           "/flops/budget",
                                           "/parameters/original",
                                           "/parameters/kept",
                                           "/file_bytes/original",
                                           "/file_bytes/kept",
                                           "/sublayers/1/index",
                                           "/sublayers/1/layer",
                                           "/sublayers/1/kind",
                                           "/sublayers/1/units",
                                           "/sublayers/1/kept",
                                           "/sublayers/1/seconds",
                                           "/sublayers/1/solver",
                                           "/sublayers/1/condition",
                                           "/sublayers/1/reconstruction_error",
                                           "/agreement/n",
                                           "/agreement/top1",
                                           "/agreement/kl",
                                           "/metric/name",
                                           "/metric/original",
                                           "/metric/pruned",
                                           "/metric/n",
                                           "/latency",
                                           "/peak_memory_bytes",
                                           "/seconds/load",
                                           "/seconds/measure",
                                           "/seconds/search",
                                           "/seconds/tune",
                                           "/seconds/total",
                                           "/device",
                                           "/precision",
                                           "/versions",
                                           "/inputs"};
  for (const std::string& field : fields) {
    ASSERT_TRUE(report.contains(json::json_pointer(field))) << field;
    EXPECT_FALSE(report.at(json::json_pointer(field)).is_null()) << field;
  }
}

TEST(ReportTest, SaysWhatItWasGiven) {
  const json report = MakeReport(Contents());
  EXPECT_EQ(report["schema_version"], kReportSchemaVersion);
  EXPECT_EQ(report["seed"], 7);
  EXPECT_EQ(report["options"]["keep_flops"], json::array({0.5}));
  EXPECT_EQ(report["flops"],
            json({{"original", 1000.0}, {"kept", 498.0}, {"ratio", 0.498}, {"budget", 500.0}}));
  EXPECT_EQ(report["parameters"], json({{"original", 40}, {"kept", 30}}));
  EXPECT_EQ(report["sublayers"].size(), 2u);
  EXPECT_EQ(report["sublayers"][0]["kind"], "attention");
  EXPECT_EQ(report["sublayers"][1]["kind"], "feed_forward");
  EXPECT_EQ(report["seconds"],
            json({{"load", 0.5}, {"measure", 2.0}, {"search", 0.5}, {"tune", 1.0}, {"total", 4.0}}));
  EXPECT_EQ(report["metric"]["original"], 0.9);
  EXPECT_EQ(report["metric"]["pruned"], 0.88);
  EXPECT_EQ(report["metric"]["pruned_interval95"], json({0.77, 0.94}));
  EXPECT_EQ(report["inputs"]["model/config.json"], "ab");
}

TEST(ReportTest, WhatWasNotJudgedIsNull) {
  ReportContents contents = Contents();
  contents.agreement.reset();
  contents.original_metric.reset();
  contents.pruned_metric.reset();
  const json report = MakeReport(contents);
  EXPECT_TRUE(report["agreement"].is_null());
  EXPECT_TRUE(report["metric"].is_null());
  EXPECT_TRUE(MetricJson(std::nullopt).is_null());
}

TEST(ReportTest, ASingularSystemStaysJson) {
  ReportContents contents = Contents();
  contents.sublayers[0].condition = std::numeric_limits<double>::infinity();
  const json report = MakeReport(contents);
  EXPECT_TRUE(report["sublayers"][0]["condition"].is_null());
  EXPECT_EQ(report["sublayers"][1]["condition"], 10);
  EXPECT_EQ(json::parse(report.dump()), report);
}

TEST(ReportTest, MetricJsonHasTheFieldsOfEvaluation) {
  EXPECT_EQ(MetricJson(Metric{"spearman", 0.5, 12, {0.25, 0.75}, {{"pearson", 0.4}}}),
            json({{"name", "spearman"}, {"value", 0.5}, {"n", 12}, {"interval95", {0.25, 0.75}}}));
}

TEST(ReportTest, PeakMemoryIsThatOfThisProcess) {
  const int64_t before = PeakMemoryBytes();
  EXPECT_GT(before, int64_t{1} << 20);
  const std::vector<char> touched(size_t{96} << 20, 'x');
  EXPECT_GE(PeakMemoryBytes(), std::max(before, int64_t{96} << 20));
  EXPECT_EQ(touched.back(), 'x');
}

}  // namespace
}  // namespace kprune
