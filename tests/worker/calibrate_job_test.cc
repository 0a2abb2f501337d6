// `calibrate` writes a table that a job can be given; how fast a machine is is not for a test to say.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class CalibrateJobTest : public ::testing::Test {
 protected:
  absl::Status Calibrate(const json& calibration, const json& changes = json::object()) {
    json all = {{"data", nullptr}, {"calibration", calibration}};
    all.merge_patch(changes);
    std::filesystem::remove_all(job_ / "result");
    return job_.Run("calibrate", all);
  }

  void ExpectRefusal(const absl::Status& status, absl::StatusCode code, const std::string& part) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
    EXPECT_FALSE(job_.has_result());
  }

  JobDirectory job_{{.task = "text-classification"}};
};

TEST_F(CalibrateJobTest, Examples) {
  ASSERT_TRUE(Calibrate({{"lengths", {12, 6}}, {"batch_size", 2}, {"seconds", 0.5}}).ok());
  const json table = job_.Result(kLatencyTableFile);
  EXPECT_THAT(table["runtime"].get<std::string>(), HasSubstr("ONNX Runtime "));
  EXPECT_EQ(table["heads"], json({0, 1, 2, 3, 4}));
  EXPECT_EQ(table["neurons"], json({0, 16, 32, 48, 64}));
  EXPECT_EQ(table["batch_size"], 2);
  EXPECT_EQ(table["threads"], 1);
  ASSERT_EQ(table["rows"].size(), 2u);
  double whole = 0;
  for (const json& row : table["rows"]) {
    EXPECT_EQ(row["tokens"], &row == &table["rows"][0] ? 6 : 12);
    EXPECT_EQ(row["attention_ms"].size(), 5u);
    EXPECT_EQ(row["feed_forward_ms"].size(), 5u);
    whole = row["other_ms"].get<double>() +
            2 * (row["attention_ms"][4].get<double>() + row["feed_forward_ms"][4].get<double>());
    EXPECT_GT(whole, 0);
  }
  EXPECT_FALSE(std::filesystem::exists(job_ / "scratch/calibrate")) << "copies of the model stay behind";

  // A job takes it as it is.
  std::filesystem::remove_all(job_ / "result");
  const json options = {{"target_latency_ms", 0.7 * whole}, {"latency_table", table}, {"sequence_length", 12}};
  const absl::Status status = job_.Run("prune", {{"options", options}});
  ASSERT_TRUE(status.ok()) << status;
  const json report = job_.Result(kReportFile);
  EXPECT_LE(report["latency_budget"]["predicted_ms"], 0.7 * whole * (1 + 1e-9));
  EXPECT_NEAR(report["latency_budget"]["original_ms"].get<double>(), whole, 1e-9 * whole);
  EXPECT_EQ(report["latency"]["batch_size"], 2);
  EXPECT_FALSE(report["options"].contains("keep_flops"));
  EXPECT_LT(report["flops"]["kept"], report["flops"]["original"]);
}

TEST_F(CalibrateJobTest, RunsInEveryRuntime) {
  for (const auto& [runtime, name] : std::vector<std::pair<std::string, std::string>>{
           {"kprune", "kprune " KPRUNE_VERSION}, {"torchscript", "TorchScript "}, {"onnxruntime", "ONNX Runtime "}}) {
    ASSERT_TRUE(Calibrate({{"lengths", {6}}, {"runtime", runtime}, {"seconds", 0.2}}).ok()) << runtime;
    EXPECT_THAT(job_.Result(kLatencyTableFile)["runtime"].get<std::string>(), HasSubstr(name));
  }
  job_.onnxruntime = "none";
  ASSERT_TRUE(Calibrate({{"lengths", {6}}, {"seconds", 0.2}}).ok());
  EXPECT_THAT(job_.Result(kLatencyTableFile)["runtime"].get<std::string>(), HasSubstr("TorchScript"));
  ExpectRefusal(Calibrate({{"runtime", "onnxruntime"}}), absl::StatusCode::kFailedPrecondition,
                "there is no ONNX Runtime");
}

TEST_F(CalibrateJobTest, RefusesWhatItCannotMeasure) {
  ExpectRefusal(Calibrate({{"lengths", {6, 65}}}), absl::StatusCode::kInvalidArgument, "takes at most 64 tokens");
  ExpectRefusal(Calibrate({{"runtime", "tensorrt"}}), absl::StatusCode::kInvalidArgument,
                "\"calibration.runtime\" is \"tensorrt\"; accepted are auto, kprune, torchscript, onnxruntime");
  ExpectRefusal(Calibrate({{"lengths", {0}}}), absl::StatusCode::kInvalidArgument, "\"calibration.lengths\" is [0]");
  ExpectRefusal(Calibrate({{"batch_size", "2"}}), absl::StatusCode::kInvalidArgument, "\"calibration.batch_size\"");
  ExpectRefusal(Calibrate({{"seconds", 0}}), absl::StatusCode::kInvalidArgument, "\"calibration.seconds\" is 0");
  ExpectRefusal(Calibrate({{"size", 2}}), absl::StatusCode::kInvalidArgument, "unknown field \"size\"");
  ASSERT_TRUE(job_.Run("prune").ok());
  std::filesystem::rename(job_ / "result", job_ / "pruned");
  ExpectRefusal(Calibrate(json::object(), {{"model", "pruned"}}), absl::StatusCode::kInvalidArgument,
                "calibrate with the original");
}

TEST_F(CalibrateJobTest, ATableOfAnotherModelIsRefusedBeforeAnyWork) {
  ASSERT_TRUE(Calibrate({{"lengths", {6, 12}}, {"seconds", 0.2}, {"runtime", "kprune"}}).ok());
  const json table = job_.Result(kLatencyTableFile);
  const JobDirectory other({.layers = 3});
  for (const char* kind : {"preflight", "prune"}) {
    const absl::Status status =
        other.Run(kind, {{"options", {{"target_latency_ms", 1}, {"latency_table", table}, {"sequence_length", 8}}}});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("of a model with layers 2, this one has 3"));
  }
  std::filesystem::remove_all(job_ / "result");
  const json options = {{"target_latency_ms", 1e9}, {"latency_table", table}, {"sequence_length", 8}};
  for (const char* kind : {"preflight", "prune"}) {
    ExpectRefusal(job_.Run(kind, {{"options", options}}), absl::StatusCode::kFailedPrecondition,
                  "is what the whole model does not take");
  }
}

TEST_F(CalibrateJobTest, StopsWhenItIsCancelled) {
  RecordingObserver observer(5);
  EXPECT_EQ(job_.Run("calibrate", {{"data", nullptr}}, observer).code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(job_.has_result());
}

}  // namespace
}  // namespace kprune
