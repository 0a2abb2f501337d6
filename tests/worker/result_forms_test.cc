// Every form of a result is written and verified; here with --export dense.
#include "worker/result_forms.h"

#include <filesystem>
#include <string>

#include "engine/evaluation/outputs.h"
#include "engine/formats/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

const json kDense = {{"options", {{"keep_flops", 0.4}, {"export", {"safetensors", "dense"}}}}};

Encoder Loaded(const fs::path& folder) {
  absl::StatusOr<ModelFolder> opened = OpenModelFolder(folder.string(), {});
  EXPECT_TRUE(opened.ok()) << opened.status();
  absl::StatusOr<Encoder> encoder = LoadEncoder(*opened, at::kCPU);
  EXPECT_TRUE(encoder.ok()) << encoder.status();
  return *std::move(encoder);
}

const std::vector<Sample> kSamples = {{.input_ids = {2, 9, 11, 3}, .token_type_ids = {0, 0, 1, 1}},
                                      {.input_ids = {2, 30, 3}, .token_type_ids = {0, 0, 0}}};

class ResultFormsTest : public ::testing::TestWithParam<const char*> {
 protected:
  const JobDirectory job_{{.family = GetParam(), .task = "text-classification"}};
};

TEST_P(ResultFormsTest, Examples) {
  const absl::Status status = job_.Run("prune", kDense);
  ASSERT_TRUE(status.ok()) << status;
  const Encoder pruned = Loaded(job_ / "result"), dense = Loaded(job_ / "result/dense");
  EXPECT_LT((RunSamples(pruned, kSamples) - RunSamples(dense, kSamples)).abs().max().item<double>(), 1e-4);
  EXPECT_EQ(dense.config.json, JobDirectory::ReadJson(job_ / "model/config.json"));
  EXPECT_EQ(dense.num_parameters(), Loaded(job_ / "model").num_parameters());

  // The report has its digests and counts it for nothing else; verify notices a change.
  const json report = job_.Result(kReportFile);
  for (const char* name :
       {"modeling_kprune.py", "dense/config.json", "dense/model.safetensors", "dense/vocab.txt"}) {
    EXPECT_EQ(report["outputs"][name], *Sha256OfFile(job_ / "result" / name)) << name;
  }
  EXPECT_EQ(report["verification"]["formats"].back()["format"], "dense");
  EXPECT_EQ(report["file_bytes"]["kept"], fs::file_size(job_ / "result/model.safetensors"));
  fs::rename(job_ / "result", job_ / "pruned");
  const json verify = {{"model", "pruned"}, {"data", nullptr}};
  EXPECT_TRUE(job_.Run("verify", verify).ok());
  for (const std::string name : {"modeling_kprune.py", "dense/config.json"}) {
    const std::string bytes = testing::ReadFile(job_ / "pruned" / name);
    testing::WriteFile(job_ / "pruned" / name, bytes + "\n");
    const absl::Status changed = job_.Run("verify", verify);
    EXPECT_EQ(changed.code(), absl::StatusCode::kDataLoss) << changed;
    EXPECT_THAT(std::string(changed.message()), HasSubstr(name + " does not have the digest"));
    testing::WriteFile(job_ / "pruned" / name, bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, ResultFormsTest, ::testing::ValuesIn(testing::kTinyFamilies),
                         [](const auto& info) { return std::string(info.param); });

TEST(ResultFormsTest, IsOffUnlessAsked) {
  const JobDirectory job({.task = "text-classification"});
  ASSERT_TRUE(job.Run("prune").ok());
  EXPECT_FALSE(fs::exists(job / "result/dense"));
  EXPECT_TRUE(fs::exists(job / "result/modeling_kprune.py"));
}

TEST(ResultFormsTest, EveryModelOfSeveralHasItsOwn) {
  const JobDirectory job({.task = "text-classification"});
  json several = kDense;
  several["options"]["keep_flops"] = {0.4, 0.7};
  const absl::Status status = job.Run("prune", several);
  ASSERT_TRUE(status.ok()) << status;
  for (const std::string name : {"keep-0.40", "keep-0.70"}) {
    EXPECT_TRUE(job.Result(kReportFile)["outputs"].contains(name + "/dense/model.safetensors"));
    EXPECT_TRUE(fs::exists(job / "result" / name / "modeling_kprune.py"));
    EXPECT_TRUE(fs::exists(job / "result" / name / "dense/model.safetensors"));
  }
  fs::rename(job / "result", job / "pruned");
  EXPECT_TRUE(job.Run("verify", {{"model", "pruned"}, {"data", nullptr}}).ok());
}

TEST(ResultFormsTest, AModelThatWasPrunedBeforeGetsTheShapesOfTheVeryOriginal) {
  const JobDirectory job({.task = "text-classification"});
  ASSERT_TRUE(job.Run("prune", kDense).ok());
  fs::rename(job / "result", job / "once");
  json again = kDense;
  again["model"] = "once";
  const absl::Status status = job.Run("prune", again);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(JobDirectory::ReadJson(job / "result/dense/config.json"),
            JobDirectory::ReadJson(job / "model/config.json"));
  EXPECT_EQ(Loaded(job / "result/dense").num_parameters(), Loaded(job / "model").num_parameters());
}

TEST(ResultFormsTest, OutputsThatDifferAreRefused) {
  const JobDirectory job({.task = "text-classification"});
  const absl::StatusOr<ModelFolder> folder = OpenModelFolder(job / "model", {});
  ASSERT_TRUE(folder.ok()) << folder.status();
  const Encoder encoder = Loaded(job / "model");
  fs::create_directory(job / "out");
  ASSERT_TRUE(WriteForms(*folder, encoder, {.exports = {"dense"}}, job / "out").ok());
  const at::Tensor outputs_NC = RunSamples(encoder, kSamples);
  const auto verified = VerifyForms(job / "out", encoder, {}, kSamples, outputs_NC, nullptr);
  ASSERT_TRUE(verified.ok()) << verified.status();
  ASSERT_EQ(verified->size(), 1u);
  EXPECT_EQ((*verified)[0].format, "dense");
  const absl::Status status =
      VerifyForms(job / "out", encoder, {}, kSamples, outputs_NC + 1, nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("the dense model, run by kprune"));
}

}  // namespace
}  // namespace kprune
