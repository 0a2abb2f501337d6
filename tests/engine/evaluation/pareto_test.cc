#include "engine/evaluation/pareto.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace kprune {
namespace {

using nlohmann::json;

// What MakeParetoReport reads of a model's own report.
ReportedModel Model(double keep, double kept_flops, const json& agreement) {
  return {keep,
          {{"method", "refit"},
           {"family", "bert"},
           {"task", "text-classification"},
           {"seed", 7},
           {"samples", 100},
           {"tokens", 2500},
           {"sequence_length", 25},
           {"flops", {{"original", 1000}, {"kept", kept_flops}}},
           {"parameters", {{"original", 40}, {"kept", 30}}},
           {"file_bytes", {{"original", 160}, {"kept", 120}}},
           {"latency", {{"original_ms", 20}, {"pruned_ms", 11}}},
           {"agreement", agreement},
           {"metric",
            {{"name", "accuracy"},
             {"original", 0.9},
             {"pruned", 0.88},
             {"n", 50},
             {"difference", {{"value", -0.02}, {"interval95", {-0.09, 0.04}}}}}},
           {"peak_memory_bytes", 5},
           {"device", {{"id", "cpu"}}},
           {"precision", "fp32"},
           {"versions", {{"kprune", "0"}}},
           {"inputs", {{"model/config.json", "ab"}}}}};
}

json Agreeing(double top1) { return {{"n", 10}, {"top1", top1}, {"kl", 0.05}}; }

TEST(ParetoTest, Examples) {
  Options options;
  options.keep_flops = {0.7, 0.5};
  const json report = MakeParetoReport({Model(0.7, 690, Agreeing(0.95)), Model(0.5, 495, Agreeing(0.9))},
                                       options, {{"keep-0.70/config.json", "cd"}}, 12.5);
  EXPECT_EQ(report["schema_version"], 1);
  EXPECT_EQ(report["method"], "refit");
  EXPECT_EQ(report["options"]["keep_flops"], json({0.7, 0.5}));
  EXPECT_EQ(report["outputs"]["keep-0.70/config.json"], "cd");
  EXPECT_EQ(report["seconds"]["total"], 12.5);
  EXPECT_EQ(report["agreement"], json::parse(R"({"name": "top1", "n": 10})"));
  EXPECT_EQ(report["metric"], json::parse(R"({"name": "accuracy", "n": 50})"));
  EXPECT_EQ(report["original"],
            json::parse(
                R"({"flops": 1000, "parameters": 40, "file_bytes": 160, "latency_ms": 20, "metric": 0.9})"));
  ASSERT_EQ(report["models"].size(), 2u);
  EXPECT_EQ(report["models"][1], json::parse(R"({
      "folder": "keep-0.50", "keep_flops": 0.5, "flops": 495.0, "parameters": 30, "file_bytes": 120,
      "latency_ms": 11, "agreement": 0.9, "kl": 0.05, "metric": 0.88, "pareto": true,
      "difference": {"value": -0.02, "interval95": [-0.09, 0.04]}})"));
}

// Slow twin: a model is on the front unless another is at least as good in both and better in one.
TEST(ParetoTest, TheFrontIsWhatNoOtherModelBeats) {
  const std::vector<std::pair<double, double>> points = {{690, 0.95}, {500, 0.96}, {500, 0.96}, {400, 0.90},
                                                         {300, 0.92}, {200, 0.80}, {100, 0.80}};
  std::vector<ReportedModel> models;
  for (size_t i = 0; i < points.size(); ++i)
    models.push_back(Model(0.9 - 0.1 * static_cast<double>(i), points[i].first, Agreeing(points[i].second)));
  const json report = MakeParetoReport(models, {}, {}, 1);
  for (size_t i = 0; i < points.size(); ++i) {
    bool beaten = false;
    for (const auto& [flops, agreement] : points) {
      const bool no_worse = flops <= points[i].first && agreement >= points[i].second;
      beaten |= no_worse && (flops < points[i].first || agreement > points[i].second);
    }
    EXPECT_EQ(report["models"][i]["pareto"], !beaten) << i;
  }
}

TEST(ParetoTest, AgreementIsTheCosineOfEmbeddingsAndMayBeMissing) {
  const json cosines = {{"n", 10}, {"cosine", 0.8}, {"spearman", 0.9}};
  json report = MakeParetoReport({Model(0.7, 690, cosines)}, {}, {}, 1);
  EXPECT_EQ(report["agreement"]["name"], "cosine");
  EXPECT_EQ(report["models"][0]["agreement"], 0.8);
  EXPECT_TRUE(report["models"][0]["kl"].is_null());
  ReportedModel unjudged = Model(0.7, 690, nullptr);
  unjudged.report["metric"] = nullptr;
  report = MakeParetoReport({unjudged}, {}, {}, 1);
  EXPECT_TRUE(report["agreement"].is_null());
  EXPECT_TRUE(report["metric"].is_null());
  EXPECT_TRUE(report["models"][0]["agreement"].is_null());
  EXPECT_TRUE(report["models"][0]["pareto"].is_null());
  EXPECT_TRUE(report["original"]["metric"].is_null());
}

}  // namespace
}  // namespace kprune
