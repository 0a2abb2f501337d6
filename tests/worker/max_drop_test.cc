// Jobs that ask for the smallest model within a loss.
#include <filesystem>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"
#include "worker/drop_search.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::ReadFile;
using ::kprune::testing::TinyModel;
using nlohmann::json;
using ::testing::HasSubstr;

const TinyModel kClassifier = {.task = "text-classification", .labels = 2};
const TinyModel kEncoder = {.sentence_encoder = true};

// Feeds the search a model that passes from `smallest` on; returns the shares that were tried.
std::vector<double> Searched(double smallest, DropSearch& search) {
  std::vector<double> tried;
  while (const std::optional<double> keep = search.Next()) {
    tried.push_back(*keep);
    search.Add({"accuracy", 500, 1, *keep >= smallest ? 1.5 : 2.5, "tango"});
  }
  return tried;
}

TEST(DropSearchTest, Examples) {
  DropSearch search(2, 0);
  EXPECT_EQ(Searched(0.3, search), (std::vector{0.5, 0.26, 0.38, 0.32, 0.29, 0.305}));
  ASSERT_TRUE(search.Smallest().ok());
  EXPECT_EQ(*search.Smallest(), 0.305);
  const json report = search.Json();
  EXPECT_EQ(report["points"], 2);
  EXPECT_EQ(report["judged_by"], "accuracy");
  EXPECT_EQ(report["samples"], 500);
  EXPECT_EQ(report["bound"], "tango");
  ASSERT_EQ(report["tried"].size(), 6u);
  EXPECT_EQ(report["tried"][1], json({{"keep_flops", 0.26}, {"drop", 1}, {"upper", 2.5}}));
  ASSERT_TRUE(HasDrop({{"max_drop", report}}));
  EXPECT_EQ(LastDropIn({{"max_drop", report}}).upper, 1.5);
  EXPECT_FALSE(HasDrop({{"max_drop", nullptr}}));
}

TEST(DropSearchTest, FindsEveryShareInAtMostAsManyTrialsAsItSays) {
  for (int i = 0; i <= 60; ++i) {
    const double smallest = 0.05 + 0.015 * i;
    DropSearch search(2, 0);
    const std::vector<double> tried = Searched(smallest - 1e-9, search);
    EXPECT_LE(static_cast<int>(tried.size()), DropSearch::most_tried());
    ASSERT_TRUE(search.Smallest().ok()) << smallest;
    EXPECT_NEAR(*search.Smallest(), smallest, 1e-9);
    EXPECT_EQ(std::set<double>(tried.begin(), tried.end()).size(), tried.size()) << "none is tried twice";
  }
}

TEST(DropSearchTest, DoesNotTryWhatLeavesNothingOfTheModel) {
  DropSearch search(2, 0.2);
  const std::vector<double> tried = Searched(0, search);
  EXPECT_GE(*std::min_element(tried.begin(), tried.end()), 0.2);
  EXPECT_NEAR(*search.Smallest(), 0.2, 0.015);
}

TEST(DropSearchTest, WhereNothingPassesItSaysWhatTheLargestLost) {
  DropSearch search(1, 0);
  while (search.Next()) search.Add({"accuracy", 500, 3, 4.5, "tango"});
  const absl::Status lost = search.Smallest().status();
  EXPECT_EQ(lost.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(lost.message()),
              HasSubstr("keeps 0.95 of the FLOPs drops by 3.00 (accuracy), at most 4.50"));
  EXPECT_THAT(std::string(lost.message()), HasSubstr("raise max_drop, or give more samples to prune with"));
  DropSearch unsure(1, 0);
  while (unsure.Next()) unsure.Add({"accuracy", 500, 0.5, 1.5, "tango"});
  EXPECT_THAT(std::string(unsure.Smallest().status().message()), HasSubstr("too few samples to decide"));
}

TEST(MaxDropTest, Examples) {
  const JobDirectory job(kClassifier, 80);
  RecordingObserver observer;
  const absl::Status status =
      job.Run("prune", {{"options", {{"max_drop", 40}, {"holdout", 0.25}}}}, observer);
  ASSERT_TRUE(status.ok()) << status;

  // An ordinary result: the smallest model that passed, and what was tried.
  const json report = job.Result(kReportFile);
  EXPECT_FALSE(report["options"].contains("keep_flops"));
  EXPECT_EQ(report["options"]["max_drop"], 40);
  const json drop = report["max_drop"];
  EXPECT_EQ(drop["points"], 40);
  EXPECT_EQ(drop["judged_by"], "accuracy");
  EXPECT_EQ(drop["bound"], "tango");
  EXPECT_EQ(drop["samples"], 20);
  ASSERT_GE(drop["tried"].size(), 2u);
  double smallest = 1;
  for (const json& trial : drop["tried"]) {
    EXPECT_LE(trial["drop"], trial["upper"]);
    if (trial["upper"] <= 40) smallest = std::min(smallest, trial["keep_flops"].get<double>());
  }
  EXPECT_DOUBLE_EQ(report["flops"]["budget"], smallest * report["flops"]["original"].get<double>());
  EXPECT_LE(-100 * report["metric"]["difference"]["interval95"][0].get<double>(), 40);

  // Every model that was tried was told of; the one that was taken has the bytes of a job of its budget.
  std::set<double> shares;
  for (const SublayerPruned& row : observer.sublayers) shares.insert(row.keep_flops);
  EXPECT_EQ(shares.size(), drop["tried"].size());
  const std::string weights = ReadFile(job / "result/model.safetensors");
  fs::rename(job / "result", job / "chosen");
  ASSERT_TRUE(job.Run("prune", {{"options", {{"keep_flops", smallest}, {"holdout", 0.25}}}}).ok());
  EXPECT_TRUE(ReadFile(job / "result/model.safetensors") == weights);
  fs::remove_all(job / "result");
  EXPECT_TRUE(job.Run("verify", {{"model", "chosen"}, {"data", nullptr}}).ok());
}

class StoppedAfter : public RecordingObserver {
 public:
  explicit StoppedAfter(size_t most_sublayers) : most_(most_sublayers) {}
  bool cancelled() const override { return sublayers.size() >= most_; }

 private:
  const size_t most_;
};

TEST(MaxDropTest, AJobThatGoesOnEndsWithTheSameModel) {
  const JobDirectory job(kEncoder, 160);
  const json changes = {{"options", {{"max_drop", 5}, {"holdout", 0.25}}}};
  const absl::Status status = job.Run("prune", changes);
  ASSERT_TRUE(status.ok()) << status;
  const json whole = job.Result(kReportFile)["max_drop"];
  EXPECT_EQ(whole["judged_by"], "agreement cosine");
  EXPECT_EQ(whole["bound"], "bootstrap");
  const std::string weights = ReadFile(job / "result/model.safetensors");
  for (const size_t k : {2, 4, 6, 9}) {
    SCOPED_TRACE(k);
    fs::remove_all(job / "result");
    StoppedAfter stopped(k);
    ASSERT_EQ(job.Run("prune", changes, stopped).code(), absl::StatusCode::kCancelled);
    RecordingObserver resumed;
    ASSERT_TRUE(job.Run("prune", changes, resumed).ok());
    EXPECT_EQ(job.Result(kReportFile)["max_drop"], whole);
    EXPECT_TRUE(ReadFile(job / "result/model.safetensors") == weights);
    EXPECT_EQ(resumed.sublayers.size(), 4 * whole["tried"].size());
  }
}

TEST(MaxDropTest, TooFewSamplesToJudgeWithAreRefusedBeforeAnyWork) {
  const JobDirectory job(kClassifier, 400);
  for (const char* kind : {"prune", "preflight"}) {
    RecordingObserver observer;
    const absl::Status status = job.Run(kind, {{"options", {{"max_drop", 2}}}}, observer);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << kind;
    EXPECT_EQ(std::string(status.message()),
              "max_drop 2 cannot be judged on 40 samples, even if the pruned model loses nothing on them: at "
              "least 189 are needed; set holdout to 0.48, or give as many labelled texts as eval");
    EXPECT_TRUE(observer.sublayers.empty());
  }
  EXPECT_TRUE(job.Run("preflight", {{"options", {{"max_drop", 2}, {"holdout", 0.48}}}}).ok());
  EXPECT_EQ(job.Result(kPreflightFile)["budget_flops"], 0);
  EXPECT_EQ(job.Result(kPreflightFile)["speedup"], 0);
  EXPECT_GT(job.Result(kPreflightFile)["seconds"], 0);
  fs::remove_all(job / "result");
  absl::Status status = job.Run("preflight", {{"options", {{"max_drop", 0.5}}}});
  EXPECT_THAT(std::string(status.message()), HasSubstr("at most 512 lines are held out"));
  status = job.Run("preflight", {{"options", {{"max_drop", 2}, {"holdout", 0}}}});
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot be judged on 0 samples"));

  // What is advised is enough: held-out lines are a share of those that are drawn.
  status = job.Run("preflight", {{"options", {{"max_drop", 10}, {"samples", 100}}}});
  EXPECT_THAT(std::string(status.message()), HasSubstr("at least 35 are needed; set holdout to 0.35"));
  EXPECT_TRUE(
      job.Run("preflight", {{"options", {{"max_drop", 10}, {"samples", 100}, {"holdout", 0.35}}}}).ok());
  fs::remove_all(job / "result");

  // Labelled texts of their own judge in place of held-out lines.
  testing::WriteTinySentences(job / "dev.jsonl", 188, kClassifier);
  status = job.Run("preflight", {{"eval", {"dev.jsonl"}}, {"options", {{"max_drop", 2}}}});
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot be judged on 188 samples"));
  testing::WriteTinySentences(job / "dev.jsonl", 189, kClassifier);
  status = job.Run("preflight", {{"eval", {"dev.jsonl"}}, {"options", {{"max_drop", 2}}}});
  EXPECT_TRUE(status.ok()) << status;
}

TEST(MaxDropTest, WhereNotEvenTheLargestModelPassesNothingIsPublished) {
  const JobDirectory job(kEncoder, 160);
  const absl::Status status = job.Run("prune", {{"options", {{"max_drop", 1e-6}, {"holdout", 0.25}}}});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the one that keeps 0.95 of the FLOPs drops by"));
  EXPECT_FALSE(job.has_result());
}

}  // namespace
}  // namespace kprune
