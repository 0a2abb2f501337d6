// kprune-accuracy as a process, and accuracy.py with a shared folder of a tiny model.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/process.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

const Process::Environment kNoBytecode = {{"PYTHONDONTWRITEBYTECODE", "1"}};

class AccuracyTest : public ::testing::Test {
 protected:
  AccuracyTest() {
    const TinyModel model = {.task = "text-classification", .labels = 2};
    WriteTinyModel(folder_ / "models/sst2", model);
    fs::create_directories(folder_ / "data/sst2");
    WriteTinySentences(folder_ / "data/sst2/samples-2048.jsonl", 64, model);
    WriteTinySentences(folder_ / "data/sst2/dev.jsonl", 40, model);
  }

  std::vector<json> RunAccuracy(std::vector<std::string> more) {
    std::vector<std::string> command = {KPRUNE_BIN_DIR "/kprune-accuracy",
                                        "--model",
                                        folder_ / "models/sst2",
                                        "--data",
                                        folder_ / "data/sst2/samples-2048.jsonl",
                                        "--eval",
                                        folder_ / "data/sst2/dev.jsonl",
                                        "--device",
                                        "cpu",
                                        "--precision",
                                        "fp32"};
    if (std::find(more.begin(), more.end(), "--samples") == more.end())
      more.insert(more.end(), {"--samples", "24"});
    command.insert(command.end(), more.begin(), more.end());
    Process process(command, folder_ / "process");
    EXPECT_EQ(process.Wait(), 0) << process.Errors();
    std::vector<json> rows;
    std::istringstream lines(process.Output());
    for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
    return rows;
  }

  const TemporaryFolder folder_;
};

TEST_F(AccuracyTest, Examples) {
  for (const std::string method : {"refit", "kprune"}) {
    const std::vector<json> rows = RunAccuracy({"--method", method, "--budgets", "0.6,0.3", "--seed", "4"});
    ASSERT_EQ(rows.size(), 2u);
    for (size_t i = 0; i < 2; ++i) {
      const json& row = rows[i];
      EXPECT_EQ(row["method"], method);
      EXPECT_EQ(row["keep_flops"], i == 0 ? 0.6 : 0.3);
      EXPECT_EQ(row["seed"], 4);
      EXPECT_LE(row["kept_flops"], row["keep_flops"]);
      EXPECT_GT(row["kept_flops"], row["keep_flops"].get<double>() - 0.1);
      EXPECT_EQ(row["metric"]["name"], "accuracy");
      EXPECT_EQ(row["metric"]["n"], 40);
      EXPECT_EQ(row["agreement"]["n"], 24) << "as many as prune, of the lines not drawn";
      EXPECT_GT(row["seconds"], 0);
    }
    EXPECT_EQ(rows[0]["metric"]["original"], rows[1]["metric"]["original"]);
  }
}

TEST_F(AccuracyTest, AMethodMayChooseItsOwnSetting) {
  const std::vector<json> rows = RunAccuracy(
      {"--method", "kprune", "--lambda-rep", "auto", "--mu", "2", "--samples", "32", "--budgets", "0.5"});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["chosen"]["mu"], 2);
  EXPECT_GT(rows[0]["chosen"]["tried"].size(), 3u);
}

// From one measurement the same models come as from a measurement each.
TEST_F(AccuracyTest, SeveralBudgetsGiveWhatEachGivesAlone) {
  const auto judged = [](const std::vector<json>& rows) {
    return std::pair(rows.back()["kept_flops"], rows.back()["agreement"]);
  };
  EXPECT_EQ(judged(RunAccuracy({"--budgets", "0.6,0.3"})), judged(RunAccuracy({"--budgets", "0.3"})));
}

TEST_F(AccuracyTest, TheScriptFillsATable) {
  Process script({"/usr/bin/env",
                  "python3",
                  KPRUNE_SOURCE_DIR "/bench/accuracy.py",
                  "--build",
                  fs::path(KPRUNE_BIN_DIR).parent_path(),
                  "--shared",
                  folder_.path(),
                  "--budgets",
                  "0.5,0.2",
                  "--seeds",
                  "2",
                  "--samples",
                  "16",
                  "--precision",
                  "fp32",
                  "--option=--distill=2",
                  "--methods",
                  "refit",
                  "--out",
                  folder_ / "accuracy.json"},
                 folder_ / "script", kNoBytecode);
  ASSERT_EQ(script.Wait(2 * kPatience), 0) << script.Errors();
  EXPECT_THAT(script.Output(), HasSubstr("| 50 % | refit |"));
  const json document = json::parse(ReadFile(folder_ / "accuracy.json"));
  EXPECT_EQ(document["rows"].size(), 4u);
  EXPECT_EQ(document["summary"].size(), 2u);
  EXPECT_EQ(document["summary"][0]["seeds"], 2);
}

TEST_F(AccuracyTest, WhatFailsEndsTheScriptWithOneSentence) {
  Process script({"/usr/bin/env", "python3", KPRUNE_SOURCE_DIR "/bench/accuracy.py", "--build",
                  folder_ / "nothing", "--shared", folder_.path(), "--no-docs"},
                 folder_ / "script", kNoBytecode);
  EXPECT_EQ(script.Wait(), 1);
  EXPECT_THAT(script.Errors(), HasSubstr("name the build folder with --build"));
}

TEST_F(AccuracyTest, TablesAndPlotsSayWhatWasMeasured) {
  Process checks({"/usr/bin/env", "python3", KPRUNE_SOURCE_DIR "/tests/bench/accuracy_checks.py"},
                 folder_ / "checks", kNoBytecode);
  EXPECT_EQ(checks.Wait(), 0) << checks.Errors();
  EXPECT_THAT(checks.Errors(), HasSubstr("OK")) << "unittest says so when it ran something";
}

}  // namespace
}  // namespace kprune::testing
