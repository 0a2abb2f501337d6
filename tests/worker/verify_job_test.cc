// `verify` accepts what `prune` wrote and notices what was changed since.
#include <filesystem>
#include <functional>
#include <string>

#include "engine/formats/checkpoint.h"
#include "engine/formats/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class VerifyJobTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status status = job_.Run("prune");
    ASSERT_TRUE(status.ok()) << status;
    fs::rename(job_ / "result", job_ / "pruned");
    // As results were before they had one; provenance_test.cc has those that have.
    ASSERT_TRUE(fs::remove(job_ / "pruned/provenance.json"));
  }

  absl::Status Verify() { return job_.Run("verify", {{"model", "pruned"}, {"data", nullptr}}); }

  void EditReport(const std::function<void(json&)>& edit) {
    json report = JobDirectory::ReadJson(job_ / "pruned/report.json");
    edit(report);
    testing::WriteFile(job_ / "pruned/report.json", report.dump());
  }

  void ExpectDataLoss(const std::string& part) {
    const absl::Status status = Verify();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
    EXPECT_FALSE(job_.has_result());
  }

  JobDirectory job_{{.task = "text-classification", .labels = 2}};
};

TEST_F(VerifyJobTest, Examples) {
  const absl::Status status = Verify();
  ASSERT_TRUE(status.ok()) << status;
  const json verification = job_.Result(kVerificationFile),
             report = JobDirectory::ReadJson(job_ / "pruned/report.json");
  EXPECT_DOUBLE_EQ(verification["flops"], report["flops"]["kept"]);
  EXPECT_EQ(verification["parameters"], report["parameters"]["kept"]);
  EXPECT_EQ(verification["file_bytes"], report["file_bytes"]["kept"]);
  EXPECT_GT(verification["probe_sequences"], 0);
}

TEST_F(VerifyJobTest, RunsEveryFormThatAnotherProgramLoads) {
  ASSERT_TRUE(Verify().ok());
  const json formats = job_.Result(kVerificationFile)["formats"];
  ASSERT_EQ(formats.size(), 3u);
  EXPECT_EQ(formats[1]["format"], "torchscript");
  EXPECT_THAT(formats[2]["by"].get<std::string>(), HasSubstr("ONNX Runtime"));
  for (const json& format : formats) EXPECT_LE(format["max_difference"], 1e-5) << format;
}

TEST_F(VerifyJobTest, SaysWhereNothingCouldRunTheOnnxModel) {
  job_.onnxruntime = "none";
  ASSERT_TRUE(Verify().ok());
  const json format = job_.Result(kVerificationFile)["formats"][2];
  EXPECT_EQ(format["by"], "ONNX checker");
  EXPECT_TRUE(format["max_difference"].is_null());
}

// The digests belong to the changed files: somebody exported another model and signed for it.
TEST_F(VerifyJobTest, NoticesAnOnnxModelThatComputesSomethingElse) {
  const JobDirectory other({.task = "text-classification", .labels = 2, .seed = 9});
  ASSERT_TRUE(other.Run("prune").ok());
  fs::copy_file(other / "result/onnx/model.onnx", job_ / "pruned/onnx/model.onnx",
                fs::copy_options::overwrite_existing);
  const json theirs = JobDirectory::ReadJson(other / "result/report.json");
  EditReport(
      [&](json& report) { report["outputs"]["onnx/model.onnx"] = theirs["outputs"]["onnx/model.onnx"]; });
  ExpectDataLoss("the onnx model, run by ONNX Runtime");
}

TEST_F(VerifyJobTest, NoticesAReportThatPromisesFewerFlops) {
  EditReport([](json& report) { report["flops"]["kept"] = 0.9 * report["flops"]["kept"].get<double>(); });
  ExpectDataLoss("kept FLOPs");
}

TEST_F(VerifyJobTest, NoticesAReportWithOtherParameters) {
  EditReport(
      [](json& report) { report["parameters"]["kept"] = report["parameters"]["kept"].get<int>() - 1; });
  ExpectDataLoss("parameters");
}

TEST_F(VerifyJobTest, NoticesAReportWithoutItsNumbers) {
  EditReport([](json& report) { report.erase("sequence_length"); });
  ExpectDataLoss("report.json has no number at /sequence_length");
}

TEST_F(VerifyJobTest, NoticesAWeightFileOfAnotherSize) {
  // The same tensors behind a longer header: a valid file, but not the one that was written.
  const auto weights = *OpenCheckpoint(job_ / "pruned");
  ASSERT_TRUE(WriteSafetensors(job_ / "longer", weights->tensors(),
                               {{"format", "pt"}, {"note", std::string(100, 'x')}})
                  .ok());
  fs::rename(job_ / "longer", job_ / "pruned/model.safetensors");
  ExpectDataLoss("bytes of weights");
}

TEST_F(VerifyJobTest, NoticesOneChangedWeight) {
  const fs::path weights = job_ / "pruned/model.safetensors";
  std::string bytes = testing::ReadFile(weights);
  bytes[bytes.size() - 4] ^= 1;  // the lowest bit of the last float
  testing::WriteFile(weights, bytes);
  ExpectDataLoss("model.safetensors does not have the digest in report.json");
}

TEST_F(VerifyJobTest, NoticesAReportWithoutDigestsOrWithForeignNames) {
  EditReport([](json& report) { report["outputs"]["../model/config.json"] = std::string(64, '0'); });
  ExpectDataLoss("no file of a result");
  EditReport([](json& report) { report.erase("outputs"); });
  ExpectDataLoss("outputs");
}

TEST_F(VerifyJobTest, RefusesATruncatedWeightFile) {
  fs::resize_file(job_ / "pruned/model.safetensors", fs::file_size(job_ / "pruned/model.safetensors") - 4);
  EXPECT_EQ(Verify().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(VerifyJobTest, RefusesTheOriginalsWeights) {
  fs::copy_file(job_ / "model/model.safetensors", job_ / "pruned/model.safetensors",
                fs::copy_options::overwrite_existing);
  const absl::Status status = Verify();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("has shape"));
}

TEST_F(VerifyJobTest, AFolderWithoutAReportIsNotFound) {
  fs::remove(job_ / "pruned/report.json");
  const absl::Status status = Verify();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("report.json"));
}

}  // namespace
}  // namespace kprune
