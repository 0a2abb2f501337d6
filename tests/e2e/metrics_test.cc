// What an operator's Prometheus scrapes while and after real jobs run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/support/service.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

using ::testing::HasSubstr;

// The value of the first sample whose name and labels contain all of `parts`; -1 where there is none.
double Sample(const std::string& text, const std::vector<std::string>& parts) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    bool all = true;
    for (const std::string& part : parts) all = all && line.find(part) != std::string::npos;
    if (all) return std::stod(line.substr(line.rfind(' ') + 1));
  }
  return -1;
}

TEST(MetricsTest, Examples) {
  TemporaryFolder folder;
  TinyModel model;
  model.task = "text-classification";
  WriteTinyModel(folder / "model", model);
  WriteTinySentences(folder / "samples.jsonl", 50, model);
  Service service(KPRUNE_BIN_DIR, folder.path());
  service.Start();
  EXPECT_THAT(service.Metrics(), HasSubstr("kprune_build_info{"));
  EXPECT_EQ(Sample(service.Metrics(), {"kprune_jobs{", "\"SUCCEEDED\""}), 0) << service.Metrics();

  const Finished done = service.Client({"submit", folder / "model", "--data", folder / "samples.jsonl",
                                        "--keep-flops", "0.5", "--output", folder / "out"});
  ASSERT_EQ(done.status, 0) << done.errors << service.Log();

  // The worker's exit may be counted just after the client has heard of the job's end.
  EXPECT_TRUE(Eventually([&] {
    return Sample(service.Metrics(), {"kprune_worker_exits_total{", "succeeded"}) == 1;
  }));
  const std::string metrics = service.Metrics();
  EXPECT_EQ(Sample(metrics, {"kprune_jobs{", "\"SUCCEEDED\""}), 1) << metrics;
  EXPECT_EQ(Sample(metrics, {"kprune_jobs{", "\"QUEUED\""}), 0) << metrics;
  EXPECT_EQ(Sample(metrics, {"kprune_queue_oldest_seconds{", "normal"}), 0) << metrics;
  EXPECT_EQ(Sample(metrics, {"kprune_jobs_finished_total{", "\"OK\"", "SUCCEEDED"}), 1) << metrics;
  EXPECT_EQ(Sample(metrics, {"kprune_job_seconds_count{", "SUCCEEDED"}), 1) << metrics;
  EXPECT_EQ(Sample(metrics, {"kprune_sublayer_seconds_count", "attention"}), 2) << metrics;
  EXPECT_EQ(Sample(metrics, {"kprune_sublayer_seconds_count", "feed_forward"}), 2) << metrics;
  // What the worker says of its time and its result.
  for (const char* phase : {"load", "measure", "search", "tune", "verify", "export"}) {
    EXPECT_EQ(Sample(metrics, {"kprune_phase_seconds_count", phase}), 1) << phase << metrics;
    EXPECT_GT(Sample(metrics, {"kprune_phase_seconds_sum", phase}), 0) << phase << metrics;
  }
  EXPECT_EQ(Sample(metrics, {"kprune_sublayers_solved_total{", "other"}), -1) << metrics;
  EXPECT_NEAR(Sample(metrics, {"kprune_flops_removed_ratio_sum"}), 0.5, 0.1) << metrics;
  EXPECT_EQ(Sample(metrics, {"kprune_parameters_removed_ratio_count"}), 1) << metrics;
  EXPECT_EQ(Sample(metrics, {"kprune_agreement_ratio_count{", "top1"}), 1) << metrics;
  EXPECT_EQ(Sample(metrics, {"kprune_oom_retries_total"}), 0) << metrics;
  EXPECT_GT(Sample(metrics, {"kprune_transfer_bytes_total{", "upload"}), 10000) << metrics;
  EXPECT_GT(Sample(metrics, {"kprune_transfer_bytes_total{", "download"}), 10000) << metrics;
  EXPECT_EQ(Sample(metrics, {"kprune_rpc_seconds_count{", "CreateJob", "\"OK\""}), 1) << metrics;
}

// What the worker's report says is what is counted, by what it is measured.
TEST(MetricsTest, TheAgreementOfATaskIsCountedByItsMeasure) {
  struct Case {
    TinyModel model;
    std::string measure;
  };
  const Case cases[] = {
      {{.task = "token-classification", .labels = 3}, "top1"},
      {{.task = "text-classification", .labels = 1, .problem_type = "regression"}, "spearman"},
      {{.sentence_encoder = true}, "cosine"},
  };
  TemporaryFolder folder;
  Service service(KPRUNE_BIN_DIR, folder.path());
  service.Start();
  std::map<std::string, double> counts, sums;
  int models = 0;
  for (const Case& one : cases) {
    SCOPED_TRACE(one.model.task + " " + one.measure);
    const std::filesystem::path place = folder / std::to_string(++models);
    WriteTinyModel(place / "model", one.model);
    WriteTinySentences(place / "samples.jsonl", 50, one.model);
    const Finished done =
        service.Client({"submit", place / "model", "--data", place / "samples.jsonl", "--keep-flops", "0.5",
                        "--export", "safetensors", "--output", place / "out"});
    ASSERT_EQ(done.status, 0) << done.errors << service.Log();
    const nlohmann::json report = nlohmann::json::parse(ReadFile(place / "out/report.json"));
    ++counts[one.measure];
    sums[one.measure] += std::max(0.0, report.at("agreement").at(one.measure).get<double>());
  }
  const std::string metrics = service.Metrics();
  for (const auto& [measure, count] : counts) {
    EXPECT_EQ(Sample(metrics, {"kprune_agreement_ratio_count{", measure}), count) << metrics;
    EXPECT_NEAR(Sample(metrics, {"kprune_agreement_ratio_sum{", measure}), sums[measure], 1e-4) << metrics;
  }
}

}  // namespace
}  // namespace kprune::testing
