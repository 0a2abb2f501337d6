// What a result says about itself, as jobs write it.
#include "worker/result_documents.h"

#include <filesystem>
#include <string>

#include "engine/formats/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kprune/layout.h"
#include "tests/support/well_formed.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::ReadFile;
using ::kprune::testing::TinyModel;
using ::kprune::testing::WhatIsWrongWithPage;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const TinyModel kClassifier = {.task = "text-classification", .labels = 3};
const json kVerify = {{"model", "pruned"}, {"data", nullptr}};

std::string SoundPage(const fs::path& folder) {
  std::string page = ReadFile(folder / kReportPageName);
  EXPECT_EQ(WhatIsWrongWithPage(page), "") << folder;
  return page;
}

class EveryFamilyTest : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryFamilyTest, Examples) {
  const JobDirectory job({.family = GetParam(), .task = "text-classification", .labels = 3});
  const absl::Status status = job.Run("prune", {{"options", {{"seed", 3}}}});
  ASSERT_TRUE(status.ok()) << status;
  const json report = job.Result(kReportFile);
  const std::string page = SoundPage(job / "result");
  EXPECT_THAT(
      page, AllOf(HasSubstr("of the FLOPs kept</h1>"), HasSubstr(GetParam()), HasSubstr("What removing more"),
                  HasSubstr("--data samples.jsonl"), HasSubstr("--seed 3")));
  EXPECT_THAT(ReadFile(job / "result/README.md"),
              AllOf(HasSubstr("library_name: transformers"), HasSubstr("--seed 3")));

  // A curve for each sublayer, from none to all of its units.
  ASSERT_EQ(report["curves"].size(), report["sublayers"].size());
  for (size_t t = 0; t < report["curves"].size(); ++t) {
    const json& curve = report["curves"][t];
    EXPECT_EQ(curve["removed"].front(), 0);
    EXPECT_EQ(curve["removed"].back(), report["sublayers"][t]["units"]);
    EXPECT_EQ(curve["loss"].size(), curve["removed"].size());
    EXPECT_LE(curve["removed"].size(), 33u);
    EXPECT_GT(curve["loss"].back(), curve["loss"].front());
  }

  // The digests are of what is there, and verify notices a change.
  fs::rename(job / "result", job / "pruned");
  EXPECT_TRUE(job.Run("verify", kVerify).ok());
  for (const std::string_view name : {kReportPageName, kModelCardName}) {
    const fs::path file = job.path() / "pruned" / name;
    EXPECT_EQ(report["outputs"][std::string(name)], *Sha256OfFile(file));
    const std::string bytes = ReadFile(file);
    testing::WriteFile(file, bytes + "\n");
    const absl::Status changed = job.Run("verify", kVerify);
    EXPECT_EQ(changed.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(changed.message()), HasSubstr(std::string(name)));
    testing::WriteFile(file, bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, EveryFamilyTest, ::testing::ValuesIn(testing::kTinyFamilies),
                         [](const auto& info) { return std::string(info.param); });

TEST(ResultDocumentsTest, MethodKprunePredictsNoLoss) {
  const JobDirectory job(kClassifier);
  ASSERT_TRUE(job.Run("prune", {{"options", {{"method", "kprune"}}}}).ok());
  EXPECT_TRUE(job.Result(kReportFile)["curves"].is_null());
  EXPECT_THAT(SoundPage(job / "result"),
              AllOf(Not(HasSubstr("What removing more")), HasSubstr("--method kprune")));
}

TEST(ResultDocumentsTest, SeveralModelsHaveAPageEachAndOneThatLinksThem) {
  const JobDirectory job(kClassifier);
  ASSERT_TRUE(job.Run("prune", {{"options", {{"keep_flops", {0.4, 0.7}}}}}).ok());
  EXPECT_THAT(SoundPage(job / "result"), AllOf(HasSubstr("href=\"keep-0.70/report.html\""),
                                               HasSubstr("href=\"keep-0.40/report.html\"")));
  EXPECT_FALSE(fs::exists(job / "result/README.md")) << "there is no model here";
  for (const char* folder : {"keep-0.70", "keep-0.40"}) {
    EXPECT_THAT(SoundPage(job / "result" / folder), HasSubstr("of the FLOPs kept</h1>"));
    EXPECT_TRUE(fs::exists(job / "result" / folder / "README.md"));
  }
  fs::rename(job / "result", job / "pruned");
  EXPECT_TRUE(job.Run("verify", kVerify).ok());
  for (const std::string name : {"report.html", "keep-0.40/report.html", "keep-0.70/README.md"}) {
    const std::string bytes = ReadFile(job / "pruned" / name);
    testing::WriteFile(job / "pruned" / name, bytes + "\n");
    EXPECT_EQ(job.Run("verify", kVerify).code(), absl::StatusCode::kDataLoss) << name;
    testing::WriteFile(job / "pruned" / name, bytes);
  }
}

TEST(ResultDocumentsTest, ThePageOfAModelChosenByItsLossHasTheWholeSearch) {
  const JobDirectory job(kClassifier, 80);
  ASSERT_TRUE(job.Run("prune", {{"options", {{"max_drop", 40}, {"holdout", 0.25}}}}).ok());
  const json report = job.Result(kReportFile);
  const std::string page = SoundPage(job / "result");
  size_t rows = 0;
  for (const char* verdict : {">within the bound<", ">too much<"}) {
    for (size_t at = page.find(verdict); at != std::string::npos; at = page.find(verdict, at + 1)) ++rows;
  }
  EXPECT_EQ(rows, report["max_drop"]["tried"].size());
  fs::rename(job / "result", job / "pruned");
  const absl::Status verified = job.Run("verify", kVerify);
  EXPECT_TRUE(verified.ok()) << verified;
}

TEST(ResultDocumentsTest, AJobThatGoesOnWritesTheSameModelCard) {
  const JobDirectory job(kClassifier);
  ASSERT_TRUE(job.Run("prune").ok());
  const std::string card = ReadFile(job / "result/README.md");
  ASSERT_FALSE(card.empty());
  fs::remove_all(job / "result");
  RecordingObserver stopped(/*cancel_at=*/3);
  ASSERT_EQ(job.Run("prune", json::object(), stopped).code(), absl::StatusCode::kCancelled);
  ASSERT_TRUE(job.Run("prune").ok());
  EXPECT_EQ(ReadFile(job / "result/README.md"), card);
}

}  // namespace
}  // namespace kprune
