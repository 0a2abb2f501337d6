// `bench` times every form of every model; what it finds fast or slow is not for a test to say.
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class BenchJobTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(job_.Run("prune").ok());
    std::filesystem::rename(job_ / "result", job_ / "half");
  }

  absl::Status Bench(const json& bench) {
    return job_.Run("bench", {{"others", {"half"}}, {"data", nullptr}, {"bench", bench}});
  }

  JobDirectory job_{{.task = "text-classification", .labels = 2}};
};

TEST_F(BenchJobTest, Examples) {
  const absl::Status status = Bench({{"batch_sizes", {1, 3}}, {"lengths", {4}}, {"repeats", 2}});
  ASSERT_TRUE(status.ok()) << status;
  const json bench = job_.Result(kBenchFile);
  EXPECT_EQ(bench["models"].size(), 2u);
  EXPECT_EQ(bench["repeats"], 2);
  ASSERT_EQ(bench["rows"].size(), 6u) << "two batch sizes in three forms";
  std::set<std::string> runtimes;
  for (const json& row : bench["rows"]) {
    runtimes.insert(row["runtime"].get<std::string>());
    ASSERT_EQ(row["models"].size(), 2u);
    EXPECT_EQ(row["models"][0]["speedup"], 1);
    for (const json& model : row["models"]) {
      EXPECT_GT(model["p10_ms"], 0);
      EXPECT_LE(model["p10_ms"], model["median_ms"]);
      EXPECT_LE(model["median_ms"], model["p90_ms"]);
      EXPECT_NEAR(model["sequences_per_second"].get<double>() * model["median_ms"].get<double>() / 1e3,
                  row["batch_size"].get<double>(), 1e-6);
    }
    EXPECT_NEAR(row["models"][1]["speedup"].get<double>() * row["models"][1]["median_ms"].get<double>(),
                row["models"][0]["median_ms"].get<double>(), 1e-6);
  }
  EXPECT_EQ(runtimes.size(), 3u);
  EXPECT_FALSE(std::filesystem::exists(job_ / "scratch/bench")) << "copies of the models stay behind";
}

TEST_F(BenchJobTest, WithoutAnOnnxRuntimeTheOthersAreTimed) {
  job_.onnxruntime = "none";
  ASSERT_TRUE(Bench({{"batch_sizes", {1}}, {"lengths", {4}}, {"repeats", 1}}).ok());
  EXPECT_EQ(job_.Result(kBenchFile)["rows"].size(), 2u);
}

TEST_F(BenchJobTest, SaysWhatItDoesNotAccept) {
  const absl::Status too_long = Bench({{"lengths", {65}}});
  EXPECT_EQ(too_long.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(too_long.message()), HasSubstr("takes at most 64 tokens"));
  for (const auto& [bench, part] :
       std::vector<std::pair<json, std::string>>{{{{"batch_sizes", {0}}}, "\"bench.batch_sizes\" is [0]"},
                                                 {{{"batch_sizes", json::array()}}, "1 to 16 whole numbers"},
                                                 {{{"lengths", "25"}}, "\"bench.lengths\""},
                                                 {{{"repeats", 1.5}}, "\"bench.repeats\" is 1.5"},
                                                 {{{"colour", 1}}, "unknown field \"colour\""},
                                                 {json::array(), "\"bench\" is not an object"}}) {
    const absl::Status status = Bench(bench);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bench;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part)) << bench;
  }
  EXPECT_FALSE(job_.has_result());
}

}  // namespace
}  // namespace kprune
