#include "client/report_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kprune::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

nlohmann::json Sample() {
  return nlohmann::json::parse(R"({
    "schema_version": 1, "method": "kprune", "options": {"keep_flops": 0.5}, "seed": 0, "samples": 1843, "tokens": 42000,
    "sequence_length": 22.8,
    "flops": {"original": 2.0e9, "kept": 9.98e8, "ratio": 0.499, "budget": 1.0e9},
    "parameters": {"original": 22700000, "kept": 17100000},
    "file_bytes": {"original": 91553792, "kept": 69206016},
    "sublayers": [
      {"index": 0, "layer": 0, "kind": "attention", "units": 12, "kept": 6, "seconds": {"measure": 1.0, "search": 0.25, "tune": 0.5},
       "solver": "cholesky", "condition": 1200, "reconstruction_error": 0.0312},
      {"index": 1, "layer": 0, "kind": "feed_forward", "units": 1536, "kept": 1536, "seconds": 2.5,
       "solver": "ridge", "condition": 9e9, "reconstruction_error": 0.2}],
    "agreement": {"n": 205, "top1": 0.956, "kl": 0.021},
    "metric": {"name": "accuracy", "original": 0.91, "pruned": 0.9, "n": 872},
    "latency": {"original_ms": 8.0, "pruned_ms": 5.0},
    "peak_memory_bytes": 734003200,
    "seconds": {"load": 0.5, "measure": 20, "search": 1, "tune": 9, "total": 31},
    "device": "cpu", "precision": "fp32"})");
}

TEST(ReportViewTest, Examples) {
  EXPECT_EQ(ReportHeadline(Sample()),
            "                    before     after\n"
            "FLOPs a sequence    2.00 G     998 M  49.9 %\n"
            "parameters          22.7 M    17.1 M  75.3 %\n"
            "file size         87.3 MiB  66.0 MiB  75.6 %\n"
            "latency (ms)             8         5  1.60x faster\n"
            "accuracy              0.91       0.9  -1.00 points on 872\n"
            "agreement with the original on 205 samples not used for pruning: kl 0.021, top1 0.956\n");
}

TEST(ReportViewTest, ADifferenceHasItsIntervalInPoints) {
  nlohmann::json report = Sample();
  report["metric"]["difference"] = {{"value", -0.01}, {"interval95", {-0.0251, 0.005}}};
  EXPECT_THAT(ReportHeadline(report), HasSubstr("-1.00 points (-2.51 to +0.50) on 872\n"));
}

TEST(ReportViewTest, AModelChosenByItsLossSaysSoInALine) {
  nlohmann::json report = Sample();
  report["max_drop"] = nlohmann::json::parse(R"({
    "points": 2, "judged_by": "accuracy", "samples": 872, "bound": "tango", "tried": [
      {"keep_flops": 0.5, "drop": 0.2, "upper": 1.25}, {"keep_flops": 0.26, "drop": 1.5, "upper": 2.75},
      {"keep_flops": 0.38, "drop": 0.75, "upper": 1.875}]})");
  EXPECT_THAT(
      ReportHeadline(report),
      HasSubstr(
          "drop of at most 2 points: accuracy dropped by 0.75, at most 1.88 (95 %, tango, 872 samples); "
          "smallest of 3 tried\n"));
  report["max_drop"] = {{"points", 2}, {"tried", {1, "x"}}};
  EXPECT_THAT(ReportHeadline(report), Not(HasSubstr("drop of")));
}

TEST(ReportViewTest, AModelChosenByItsLatencySaysSoInALine) {
  nlohmann::json report = Sample();
  report["latency_budget"] =
      nlohmann::json::parse(R"({"target_ms": 9, "predicted_ms": 8.254, "original_ms": 17,
      "batch_size": 4, "tokens": 25, "runtime": "ONNX Runtime 1.0", "device_name": "a machine", "threads": 2})");
  EXPECT_THAT(ReportHeadline(report),
              HasSubstr("latency budget 9 ms: 8.25 ms predicted (original 17) for 4 x 25 tokens in ONNX "
                        "Runtime 1.0 on a machine\n"));
}

TEST(ReportViewTest, SeveralModelsAreATable) {
  const auto report = nlohmann::json::parse(R"({
    "schema_version": 1, "method": "refit", "agreement": {"name": "top1", "n": 51}, "metric": {"name": "accuracy", "n": 872},
    "original": {"flops": 4e8, "parameters": 22700000, "file_bytes": 91553792, "latency_ms": 22.9, "metric": 0.883},
    "models": [
      {"folder": "keep-0.70", "keep_flops": 0.7, "flops": 2.8e8, "parameters": 19500000, "file_bytes": 78643200,
       "latency_ms": 16.5, "agreement": 0.98, "kl": 0.01, "metric": 0.88, "pareto": true,
       "difference": {"value": -0.003, "interval95": [-0.012, 0.006]}},
      {"folder": "keep-0.50", "keep_flops": 0.5, "flops": 2.0e8, "parameters": 17400000, "file_bytes": 69206016,
       "latency_ms": 12.2, "agreement": 0.99, "kl": 0.02, "metric": 0.87, "pareto": false,
       "difference": {"value": -0.013, "interval95": [-0.025, 0]}}]})");
  const std::string expected =
      "           FLOPs  parameters  file size  latency (ms)  top1    KL  accuracy (95 %)        Pareto\n"
      "original   400 M      22.7 M   87.3 MiB          22.9              0.883\n"
      "keep-0.70  280 M      19.5 M   75.0 MiB          16.5  0.98  0.01  0.88 (-1.20 to +0.60)  *\n"
      "keep-0.50  200 M      17.4 M   66.0 MiB          12.2  0.99  0.02  0.87 (-2.50 to +0.00)\n"
      "top1: agreement with the original on 51 samples not used for pruning; *: no other model costs no more "
      "and "
      "agrees no less\n"
      "accuracy: on 872 labelled samples; in brackets the points gained or lost against the original\n";
  EXPECT_EQ(ReportHeadline(report), expected);
  EXPECT_THAT(ReportText(report), ::testing::StartsWith(expected));
  const auto unjudged = nlohmann::json::parse(
      R"({"models": [{"folder": "keep-0.70", "flops": 2.8e8, "agreement": null}], "agreement": null, "metric": null})");
  EXPECT_THAT(ReportHeadline(unjudged), Not(HasSubstr("Pareto")));
  EXPECT_THAT(ReportHeadline(nlohmann::json::parse(R"({"models": [1, "x"]})")), HasSubstr("FLOPs"));
}

TEST(ReportViewTest, TheMapShowsHeadsAndNeuronsKeptInEachLayer) {
  const std::string text = ReportText(Sample());
  EXPECT_THAT(text, HasSubstr("[##########..........] 6/12"));
  EXPECT_THAT(text, HasSubstr("[####################] 1536/1536"));
}

TEST(ReportViewTest, TheTableShowsTimeSolverAndErrorOfEachSublayer) {
  const std::string text = ReportText(Sample());
  EXPECT_THAT(text, ::testing::ContainsRegex("0 +0  attention +12 +6  1\\.75 s  cholesky +1200 +0\\.0312\n"));
  EXPECT_THAT(text,
              ::testing::ContainsRegex("1 +0  feed_forward +1536  1536  2\\.50 s  ridge +9e.09 +0\\.2\n"));
}

TEST(ReportViewTest, CircumstancesAreListed) {
  const std::string text = ReportText(Sample());
  EXPECT_THAT(text, HasSubstr("peak memory      700.0 MiB\n"));
  EXPECT_THAT(text, HasSubstr("time total       31.0 s\n"));
  EXPECT_THAT(text, HasSubstr("sequence_length  22.8\n"));
}

TEST(ReportViewTest, ALineSaysWhichSettingWasChosenAndFromWhat) {
  nlohmann::json report = Sample();
  report["chosen"] =
      nlohmann::json::parse(R"({"lambda_rep": 0.01, "mu": 1, "judged_by": "kl", "samples": 115, "seconds": 60,
    "tried": [{"lambda_rep": 0, "mu": 1, "loss": 0.25}, {"lambda_rep": 0.01, "mu": 1, "loss": 0.125},
              {"lambda_rep": 0.01, "mu": 8, "loss": null}]})");
  EXPECT_THAT(ReportHeadline(report),
              HasSubstr("lambda_rep 0.01 and mu 1 chosen by KL on 115 samples: 0.125 (others: 0/1 0.25, "
                        "0.01/8 not finite)\n"));
  report["chosen"] = nullptr;
  EXPECT_THAT(ReportText(report), Not(HasSubstr("chosen")));
}

TEST(ReportViewTest, AbsentAndOddFieldsAreLeftOut) {
  EXPECT_EQ(ReportText(nlohmann::json::object()), "  before  after\n");
  const auto odd =
      nlohmann::json::parse(R"({"flops": 3, "sublayers": [1, "x", {}], "agreement": null, "metric": []})");
  EXPECT_THAT(ReportText(odd), Not(HasSubstr("FLOPs")));
}

}  // namespace
}  // namespace kprune::client
