// Jobs that are asked to end with what is finished of them.
#include <algorithm>
#include <filesystem>
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
using ::kprune::testing::WriteFile;
using nlohmann::json;

const TinyModel kClassifier = {.task = "text-classification", .labels = 3};
constexpr size_t kSublayers = 4;

// Asks the job to end early once it was told of so many sublayers; with 0 before it begins.
class EndsAfter : public RecordingObserver {
 public:
  EndsAfter(const JobDirectory& job, size_t sublayers) : job_(job), sublayers_(sublayers) {
    if (sublayers == 0) Ask();
  }
  void OnSublayer(const SublayerPruned& sublayer) override {
    RecordingObserver::OnSublayer(sublayer);
    if (sublayers.size() == sublayers_) Ask();
  }

 private:
  void Ask() const { WriteFile(job_ / kEndEarlyFile, ""); }

  const JobDirectory& job_;
  const size_t sublayers_;
};

class EarlyEndTest : public ::testing::TestWithParam<const char*> {
 protected:
  json Options(const json& more = {{"keep_flops", 0.4}}) const {
    json job = {{"options", more}};
    job["options"]["method"] = GetParam();
    return job;
  }

  // The first `finished` sublayers are pruned as in `whole`, and the others are the original's.
  static void ExpectPart(const json& report, const json& whole, size_t finished) {
    EXPECT_EQ(report["ended_early"], json({{"pruned_sublayers", finished}, {"sublayers", kSublayers}}));
    ASSERT_EQ(report["sublayers"].size(), kSublayers);
    for (size_t t = 0; t < kSublayers; ++t) {
      const json& row = report["sublayers"][t];
      const json& expected = whole["sublayers"][t];
      EXPECT_EQ(row["kept"], t < finished ? expected["kept"] : expected["units"]) << t;
      EXPECT_EQ(row["solver"] == "untouched", t >= finished) << t;
    }
    EXPECT_GT(report["flops"]["ratio"], whole["flops"]["ratio"]);
    EXPECT_LE(report["flops"]["ratio"], 1) << "what was pruned first may have kept all";
  }

  const JobDirectory job_{kClassifier};
};

TEST_P(EarlyEndTest, AfterAnySublayerTheModelIsWhatItHasBecome) {
  ASSERT_TRUE(job_.Run("prune", Options()).ok());
  const json whole = job_.Result(kReportFile);
  EXPECT_FALSE(whole.contains("ended_early"));
  for (size_t finished = 1; finished < kSublayers; ++finished) {
    SCOPED_TRACE(finished);
    fs::remove_all(job_ / "result");
    fs::remove(job_ / kEndEarlyFile);
    EndsAfter observer(job_, finished);
    const absl::Status status = job_.Run("prune", Options(), observer);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(observer.sublayers.size(), finished) << "what stays whole is not told as pruned";
    EXPECT_TRUE(std::is_sorted(observer.fractions.begin(), observer.fractions.end()));
    EXPECT_EQ(observer.fractions.back(), 1);
    EXPECT_FALSE(fs::exists(job_ / "scratch/checkpoint"));
    ExpectPart(job_.Result(kReportFile), whole, finished);
    absl::StatusOr<ModelFolder> model = OpenModelFolder((job_ / "result").string(), {});
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_THAT(ReadFile(job_ / "result" / "README.md"), ::testing::HasSubstr("ended early"));
    // Every form of it agrees with the model, and it can be judged again.
    for (const json& form : job_.Result(kReportFile)["verification"]["formats"])
      EXPECT_NE(form["passed"], false) << form;
  }
}

TEST_P(EarlyEndTest, AnInterruptedJobOnlyHandsOverItsCheckpoint) {
  ASSERT_TRUE(job_.Run("prune", Options()).ok());
  const json whole = job_.Result(kReportFile);
  fs::remove_all(job_ / "result");
  class StoppedAfterTwo : public RecordingObserver {
    bool cancelled() const override { return sublayers.size() >= 2; }
  } stopped;
  ASSERT_EQ(job_.Run("prune", Options(), stopped).code(), absl::StatusCode::kCancelled);

  EndsAfter asked(job_, 0);
  const absl::Status status = job_.Run("prune", Options(), asked);
  ASSERT_TRUE(status.ok()) << status;
  ExpectPart(job_.Result(kReportFile), whole, 2);
  EXPECT_EQ(asked.sublayers.size(), 2u);
  EXPECT_THAT(asked.stages, ::testing::Not(::testing::Contains(Stage::kMeasure))) << "nothing is decided";
}

TEST_P(EarlyEndTest, WithoutASublayerThereIsNothingToKeep) {
  EndsAfter observer(job_, 0);
  const absl::Status status = job_.Run("prune", Options(), observer);
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_FALSE(job_.has_result());
}

TEST_P(EarlyEndTest, OfSeveralModelsThoseThatAreFinishedAreKept) {
  const json options = Options({{"keep_flops", {0.7, 0.4}}});
  EndsAfter in_the_second(job_, kSublayers + 2);
  absl::Status status = job_.Run("prune", options, in_the_second);
  ASSERT_TRUE(status.ok()) << status;
  json report = job_.Result(kReportFile);
  ASSERT_EQ(report["models"].size(), 1u);
  EXPECT_EQ(report["models"][0]["folder"], "keep-0.70");
  EXPECT_FALSE(JobDirectory::ReadJson(job_ / "result/keep-0.70/report.json").contains("ended_early"));

  // Where none is, the first as far as it is.
  fs::remove_all(job_ / "result");
  fs::remove(job_ / kEndEarlyFile);
  EndsAfter in_the_first(job_, 2);
  status = job_.Run("prune", options, in_the_first);
  ASSERT_TRUE(status.ok()) << status;
  report = job_.Result(kReportFile);
  ASSERT_EQ(report["models"].size(), 1u);
  EXPECT_EQ(JobDirectory::ReadJson(job_ / "result/keep-0.70/report.json")["ended_early"]["pruned_sublayers"],
            2);
}

INSTANTIATE_TEST_SUITE_P(Methods, EarlyEndTest, ::testing::ValuesIn(kMethods),
                         [](const auto& info) { return std::string(info.param); });

TEST(EarlyEndOfTrainingTest, AModelThatWasNotTrainedToTheEndSaysSo) {
  const JobDirectory job(kClassifier);
  EndsAfter observer(job, kSublayers);
  const json options = {{"options", {{"keep_flops", 0.4}, {"distill", 5}}}};
  const absl::Status status = job.Run("prune", options, observer);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(job.Result(kReportFile)["ended_early"]["pruned_sublayers"], kSublayers);
}

TEST(EarlyEndOfASearchTest, APartOfAModelIsNoAnswer) {
  const JobDirectory job(kClassifier, 800);
  EndsAfter observer(job, 2);
  const absl::Status status = job.Run("prune", {{"options", {{"max_drop", 40}}}}, observer);
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_FALSE(job.has_result());
}

}  // namespace
}  // namespace kprune
