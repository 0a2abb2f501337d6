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

TEST(ReportViewTest, AbsentAndOddFieldsAreLeftOut) {
  EXPECT_EQ(ReportText(nlohmann::json::object()), "  before  after\n");
  const auto odd =
      nlohmann::json::parse(R"({"flops": 3, "sublayers": [1, "x", {}], "agreement": null, "metric": []})");
  EXPECT_THAT(ReportText(odd), Not(HasSubstr("FLOPs")));
}

}  // namespace
}  // namespace kprune::client
