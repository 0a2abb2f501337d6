// Jobs of several budgets: a folder each, a table of all, and going on after an interruption.
#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "engine/model/model_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::ReadFile;
using ::kprune::testing::TinyModel;
using nlohmann::json;
using ::testing::Each;
using ::testing::HasSubstr;

const TinyModel kClassifier = {.task = "text-classification", .labels = 3};
const json kTwoBudgets = {{"options", {{"keep_flops", {0.4, 0.7}}}}};

// Says that the job is cancelled once it was told of so many sublayers.
class StoppedAfter : public RecordingObserver {
 public:
  explicit StoppedAfter(size_t most_sublayers) : most_(most_sublayers) {}
  bool cancelled() const override { return sublayers.size() >= most_; }

 private:
  const size_t most_;
};

// "share index" of every sublayer that was told.
std::vector<std::string> Told(const RecordingObserver& observer) {
  std::vector<std::string> told;
  for (const SublayerPruned& row : observer.sublayers)
    told.push_back(std::to_string(row.keep_flops).substr(0, 4) + " " + std::to_string(row.index));
  return told;
}

const std::vector<std::string> kWholeStory = {"0.70 0", "0.70 1", "0.70 2", "0.70 3",
                                              "0.40 0", "0.40 1", "0.40 2", "0.40 3"};

TEST(SeveralModelsTest, Examples) {
  const JobDirectory job(kClassifier);
  RecordingObserver observer;
  const absl::Status status = job.Run("prune", kTwoBudgets, observer);
  ASSERT_TRUE(status.ok()) << status;

  // One report that compares, and a complete model folder a budget.
  const json report = job.Result(kReportFile);
  EXPECT_FALSE(fs::exists(job / "result/model.safetensors"));
  ASSERT_EQ(report["models"].size(), 2u);
  EXPECT_EQ(report["options"]["keep_flops"], json({0.7, 0.4}));
  for (const json& row : report["models"]) {
    const fs::path folder = job.path() / "result" / row["folder"].get<std::string>();
    const json own = JobDirectory::ReadJson(folder / kReportFile);
    absl::StatusOr<ModelFolder> model = OpenModelFolder(folder.string(), {});
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(own["options"]["keep_flops"], json({row["keep_flops"]}));
    EXPECT_LE(own["flops"]["kept"], row["keep_flops"].get<double>() * own["flops"]["original"].get<double>());
    EXPECT_EQ(row["flops"], own["flops"]["kept"]);
    EXPECT_EQ(row["parameters"], own["parameters"]["kept"]);
    EXPECT_EQ(row["file_bytes"], fs::file_size(folder / "model.safetensors"));
    EXPECT_EQ(row["agreement"], own["agreement"]["top1"]);
    EXPECT_EQ(row["kl"], own["agreement"]["kl"]);
    EXPECT_EQ(row["metric"], own["metric"]["pruned"]);
    EXPECT_EQ(row["difference"], own["metric"]["difference"]);
    EXPECT_GT(row["latency_ms"], 0);
  }
  EXPECT_EQ(report["models"][0]["folder"], "keep-0.70");
  EXPECT_EQ(report["models"][1]["folder"], "keep-0.40");
  EXPECT_EQ(report["models"][1]["pareto"], true) << "nothing is cheaper";
  EXPECT_EQ(report["original"]["flops"],
            JobDirectory::ReadJson(job / "result/keep-0.40/report.json")["flops"]["original"]);

  // The events say which model a sublayer belongs to; nothing stays behind.
  EXPECT_EQ(Told(observer), kWholeStory);
  EXPECT_TRUE(std::is_sorted(observer.fractions.begin(), observer.fractions.end()));
  EXPECT_EQ(observer.fractions.back(), 1);
  EXPECT_FALSE(fs::exists(job / "scratch/checkpoint"));
  EXPECT_THAT(observer.warnings, ::testing::IsEmpty());
}

class EveryMethodTest : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryMethodTest, EveryModelHasTheBytesOfAJobOfItsBudgetAlone) {
  const JobDirectory several(kClassifier), alone(kClassifier);
  const json method = {{"options", {{"method", GetParam()}, {"keep_flops", {0.7, 0.4}}}}};
  ASSERT_TRUE(several.Run("prune", method).ok());
  for (const auto& [keep, folder] : {std::pair{0.7, "keep-0.70"}, std::pair{0.4, "keep-0.40"}}) {
    fs::remove_all(alone / "result");
    json one = method;
    one["options"]["keep_flops"] = keep;
    ASSERT_TRUE(alone.Run("prune", one).ok());
    for (const char* name : {"model.safetensors", "config.json", "vocab.txt"}) {
      const std::string expected = ReadFile(alone / "result" / name);
      ASSERT_FALSE(expected.empty()) << name;
      EXPECT_TRUE(ReadFile(several / "result" / folder / name) == expected) << folder << " " << name;
    }
    EXPECT_EQ(JobDirectory::ReadJson(several / "result" / folder / "report.json")["options"],
              alone.Result(kReportFile)["options"]);
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, EveryMethodTest, ::testing::ValuesIn(kMethods),
                         [](const auto& info) { return std::string(info.param); });

// The weights of every model in a result.
std::vector<std::string> Weights(const JobDirectory& job, const std::vector<std::string>& folders) {
  std::vector<std::string> weights;
  for (const std::string& folder : folders)
    weights.push_back(ReadFile(job.path() / "result" / folder / "model.safetensors"));
  return weights;
}

TEST(SeveralModelsTest, AJobThatGoesOnAfterAnySublayerEndsWithTheSameBytesAndTellsTheWholeStory) {
  const JobDirectory job(kClassifier);
  ASSERT_TRUE(job.Run("prune", kTwoBudgets).ok());
  const std::vector<std::string> expected = Weights(job, {"keep-0.70", "keep-0.40"});
  for (size_t k = 1; k <= 8; ++k) {
    SCOPED_TRACE(k);
    fs::remove_all(job / "result");
    StoppedAfter stopped(k);
    ASSERT_EQ(job.Run("prune", kTwoBudgets, stopped).code(), absl::StatusCode::kCancelled);
    EXPECT_FALSE(job.has_result());
    const fs::path finished = job / "scratch/checkpoint/keep-0.70/model";
    EXPECT_EQ(fs::exists(finished), k > 4) << "a model is kept once it is finished";
    const std::string kept = k > 4 ? ReadFile(finished / "report.json") : "";
    RecordingObserver resumed;
    const absl::Status status = job.Run("prune", kTwoBudgets, resumed);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(Weights(job, {"keep-0.70", "keep-0.40"}) == expected);
    EXPECT_EQ(Told(resumed), kWholeStory);
    EXPECT_TRUE(std::is_sorted(resumed.fractions.begin(), resumed.fractions.end()));
    const size_t replayed = k > 4 ? k - 4 : k;
    EXPECT_EQ(job.Result("keep-0." + std::string(k > 4 ? "40" : "70") +
                         "/report.json")["plan"]["resumed_sublayers"],
              replayed);
    if (k > 4) {
      EXPECT_TRUE(ReadFile(job / "result/keep-0.70/report.json") == kept) << "it is not made again";
    }
  }
}

TEST(SeveralModelsTest, AFinishedModelThatIsDamagedIsMadeAgain) {
  const JobDirectory job(kClassifier);
  ASSERT_TRUE(job.Run("prune", kTwoBudgets).ok());
  const std::vector<std::string> expected = Weights(job, {"keep-0.70", "keep-0.40"});
  fs::remove_all(job / "result");
  StoppedAfter stopped(6);
  ASSERT_FALSE(job.Run("prune", kTwoBudgets, stopped).ok());
  const fs::path weights = job / "scratch/checkpoint/keep-0.70/model/model.safetensors";
  std::string bytes = ReadFile(weights);
  bytes.back() ^= 1;
  testing::WriteFile(weights, bytes);
  RecordingObserver resumed;
  ASSERT_TRUE(job.Run("prune", kTwoBudgets, resumed).ok());
  EXPECT_THAT(resumed.warnings,
              ::testing::ElementsAre(HasSubstr("model.safetensors does not have the digest")));
  EXPECT_TRUE(Weights(job, {"keep-0.70", "keep-0.40"}) == expected);
}

TEST(SeveralModelsTest, ModelsOfAnotherJobAreNotTaken) {
  const JobDirectory job(kClassifier);
  StoppedAfter stopped(6);
  ASSERT_FALSE(job.Run("prune", kTwoBudgets, stopped).ok());
  json other = kTwoBudgets;
  other["options"]["seed"] = 5;
  RecordingObserver observer;
  ASSERT_TRUE(job.Run("prune", other, observer).ok());
  EXPECT_THAT(observer.warnings, ::testing::ElementsAre(HasSubstr("is of another job")));
  for (const char* folder : {"keep-0.70", "keep-0.40"}) {
    const json report = JobDirectory::ReadJson(job / "result" / folder / "report.json");
    EXPECT_EQ(report["plan"]["resumed_sublayers"], 0);
    EXPECT_EQ(report["seed"], 5);
  }
}

TEST(SeveralModelsTest, DistilledModelsAreKeptToo) {
  const JobDirectory job(kClassifier);
  const json changes = {{"options", {{"keep_flops", {0.6, 0.3}}, {"distill", 3}}}};
  ASSERT_TRUE(job.Run("prune", changes).ok());
  const std::vector<std::string> expected = Weights(job, {"keep-0.60", "keep-0.30"});
  fs::remove_all(job / "result");
  StoppedAfter stopped(6);
  ASSERT_FALSE(job.Run("prune", changes, stopped).ok());
  ASSERT_TRUE(job.Run("prune", changes).ok());
  EXPECT_TRUE(Weights(job, {"keep-0.60", "keep-0.30"}) == expected);
}

TEST(SeveralModelsTest, WithoutSamplesToJudgeWithNothingIsSaidOfAgreement) {
  const JobDirectory job({.sentence_encoder = true});
  ASSERT_TRUE(job.Run("prune", {{"options", {{"keep_flops", {0.6, 0.3}}, {"holdout", 0}}}}).ok());
  const json report = job.Result(kReportFile);
  EXPECT_TRUE(report["agreement"].is_null());
  EXPECT_TRUE(report["metric"].is_null());
  for (const json& row : report["models"]) {
    EXPECT_TRUE(row["agreement"].is_null());
    EXPECT_TRUE(row["pareto"].is_null());
  }
  EXPECT_TRUE(fs::exists(job / "result/keep-0.30/1_Pooling/config.json"));
}

TEST(SeveralModelsTest, ABudgetOutOfReachIsRefusedBeforeAnyWork) {
  const JobDirectory job(kClassifier);
  for (const char* kind : {"prune", "preflight"}) {
    RecordingObserver observer;
    const absl::Status status = job.Run(kind, {{"options", {{"keep_flops", {0.5, 1e-9}}}}}, observer);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << kind;
    EXPECT_THAT(std::string(status.message()), HasSubstr("keep_flops 1e-09 leaves less than one unit"));
    EXPECT_TRUE(observer.sublayers.empty());
  }
}

TEST(SeveralModelsTest, VerifyChecksEveryModel) {
  const JobDirectory job(kClassifier);
  ASSERT_TRUE(job.Run("prune", kTwoBudgets).ok());
  fs::rename(job / "result", job / "pruned");
  const json verify = {{"model", "pruned"}, {"data", nullptr}};
  ASSERT_TRUE(job.Run("verify", verify).ok());
  const json models = job.Result(kVerificationFile)["models"];
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0]["folder"], "keep-0.70");
  EXPECT_GT(models[0]["flops"], models[1]["flops"]);
  fs::remove_all(job / "result");

  // Also where no provenance.json says of the reports themselves what they were.
  ASSERT_TRUE(fs::remove(job / "pruned/provenance.json"));
  const fs::path own_report = job / "pruned/keep-0.40/report.json";
  const std::string report = ReadFile(own_report);
  testing::WriteFile(own_report, report + " ");
  absl::Status status = job.Run("verify", verify);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("keep-0.40/report.json does not have the digest"));
  testing::WriteFile(own_report, report);

  json top = JobDirectory::ReadJson(job / "pruned/report.json");
  top["models"][1]["folder"] = "../model";
  testing::WriteFile(job / "pruned/report.json", top.dump());
  status = job.Run("verify", verify);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("lists a model without its folder"));
}

TEST(SeveralModelsTest, TheirFolderIsNoModelAndNamesOne) {
  const JobDirectory job(kClassifier);
  ASSERT_TRUE(job.Run("prune", kTwoBudgets).ok());
  fs::rename(job / "result", job / "pruned");
  const absl::Status status = job.Run("evaluate", {{"model", "pruned"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("holds several models; name one of them, such as"));
  EXPECT_TRUE(job.Run("evaluate", {{"model", "pruned/keep-0.40"}}).ok());
}

TEST(SeveralModelsTest, PreflightIsOfTheSmallestBudget) {
  const JobDirectory job(kClassifier);
  ASSERT_TRUE(job.Run("preflight", {{"options", {{"keep_flops", {0.7, 0.25, 0.5}}}}}).ok());
  const json preflight = job.Result(kPreflightFile);
  EXPECT_DOUBLE_EQ(preflight["budget_flops"], 0.25 * preflight["original_flops"].get<double>());
  EXPECT_DOUBLE_EQ(preflight["speedup"], 4);
}

}  // namespace
}  // namespace kprune
