// kprune-bench as a process: what it prints of a folder and of a random model, and what it refuses.
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

using nlohmann::json;
using ::testing::HasSubstr;

struct Outcome {
  std::optional<int> status;
  std::string output, errors;

  json Object() const { return json::parse(output); }
};

Outcome RunBench(std::vector<std::string> flags) {
  const TemporaryFolder folder;
  flags.insert(flags.begin(), {KPRUNE_BIN_DIR "/kprune-bench"});
  Process process(flags, folder / "bench");
  Outcome outcome{process.Wait()};
  outcome.output = process.Output();
  outcome.errors = process.Errors();
  return outcome;
}

const std::vector<std::string> kSmall = {"--samples", "16", "--tokens",       "6",    "--layers", "2",
                                         "--hidden",  "32", "--heads",        "4",    "--device", "cpu",
                                         "--threads", "1",  "--gemm-seconds", "0.001"};

std::vector<std::string> SmallAnd(std::vector<std::string> more) {
  more.insert(more.begin(), kSmall.begin(), kSmall.end());
  return more;
}

TEST(KpruneBenchTest, Examples) {
  const Outcome outcome = RunBench(kSmall);
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const json result = outcome.Object();
  EXPECT_EQ(result["device"], "cpu");
  EXPECT_EQ(result["threads"], 1);
  EXPECT_EQ(result["precision"], "fp32");
  EXPECT_EQ(result["samples"], 16);
  EXPECT_EQ(result["tokens"], 16 * 6);
  EXPECT_EQ(result["intermediate"], 4 * 32);
  EXPECT_EQ(result["sublayers"].size(), 4u);
  EXPECT_TRUE(result["stopped_after"].is_null());
  EXPECT_GT(result["kept_over_budget"], 0.5);
  EXPECT_LE(result["kept_over_budget"], 1.0);
  EXPECT_GT(result["prune_seconds"], result["measure_seconds"]);
  EXPECT_DOUBLE_EQ(result["fraction_of_limit"].get<double>(), result["analytic_measure_flops"].get<double>() /
                                                                  result["measure_seconds"].get<double>() /
                                                                  result["gemm_rate_flops"].get<double>());
  EXPECT_GT(result["vm_after_load_bytes"], 1 << 20);
  EXPECT_EQ(result["peak_above_load_bytes"],
            result["vm_hwm_bytes"].get<int64_t>() - result["vm_after_load_bytes"].get<int64_t>());
  EXPECT_GT(result["plan"]["batch_tokens"], 0);
  EXPECT_EQ(result["plan"]["streams"], "device");
  EXPECT_TRUE(result["accuracy"].is_null()) << "random tokens have no labels";
}

TEST(KpruneBenchTest, PrunesAFolderAndJudgesIt) {
  const TemporaryFolder folder;
  const TinyModel model = {.task = "text-classification", .labels = 2};
  WriteTinyModel(folder / "model", model);
  WriteTinySentences(folder / "data.jsonl", 48, model);
  WriteTinySentences(folder / "eval.jsonl", 40, model);
  const Outcome outcome = RunBench({"--model", folder / "model", "--data", folder / "data.jsonl", "--eval",
                                    folder / "eval.jsonl", "--samples", "24", "--max-length", "9",
                                    "--sequence-length", "7.5", "--device", "cpu", "--gemm-seconds", "0"});
  ASSERT_EQ(outcome.status, 0) << outcome.errors;
  const json result = outcome.Object();
  EXPECT_EQ(result["samples"], 24);
  EXPECT_LE(result["tokens"], 24 * 9);
  EXPECT_EQ(result["sequence_length"], 7.5);
  EXPECT_EQ(result["accuracy"]["name"], "accuracy");
  EXPECT_EQ(result["accuracy"]["n"], 40);
  EXPECT_TRUE(result["fraction_of_limit"].is_null()) << "the limit was left out";
}

TEST(KpruneBenchTest, StopsAfterTheSublayersThatItIsTold) {
  const Outcome stopped = RunBench(SmallAnd({"--sublayers", "1"})),
                whole = RunBench(SmallAnd({"--sublayers", "4"}));
  ASSERT_EQ(stopped.status, 0) << stopped.errors;
  ASSERT_EQ(whole.status, 0) << whole.errors;
  EXPECT_EQ(stopped.Object()["stopped_after"], 1);
  EXPECT_EQ(stopped.Object()["sublayers"].size(), 1u);
  EXPECT_TRUE(stopped.Object()["kept_over_budget"].is_null());
  EXPECT_TRUE(whole.Object()["stopped_after"].is_null());
  EXPECT_EQ(stopped.Object()["analytic_measure_flops"],
            whole.Object()["sublayers"][0]["analytic_measure_flops"]);
}

TEST(KpruneBenchTest, TheSameSeedKeepsTheSameUnits) {
  const auto kept = [](const std::string& seed) {
    std::vector<int> units;
    const json result = RunBench(SmallAnd({"--seed", seed})).Object();
    for (const json& row : result["sublayers"]) units.push_back(row["kept"]);
    return units;
  };
  EXPECT_EQ(kept("3").size(), 4u);
  EXPECT_EQ(kept("3"), kept("3"));
  EXPECT_NE(kept("3"), kept("4"));
}

TEST(KpruneBenchTest, RefusesInOneSentence) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> bad = {
      {{"--hidden", "30", "--heads", "4"}, "--hidden is 30, accepted are multiples of --heads (4)"},
      {{"--keep-flops", "1.5"}, "options.keep_flops is 1.5, accepted is a number above 0 and below 1"},
      {{"--memory-limit", "1MiB"}, "options.memory_limit_bytes is 1048576"},
      {{"--keep-flops", "0.001", "--layers", "1"}, "keep_flops 0.001 leaves less than one unit"},
      {{"--precision", "fp16"}, "--precision: fp16 not in {fp32,bf16}"},
      {{"--model", "/nowhere"}, "--model: Directory does not exist: /nowhere"},
      {{"--data", KPRUNE_SOURCE_DIR "/README.md"}, "--data requires --model"},
  };
  for (const auto& [flags, sentence] : bad) {
    const Outcome outcome = RunBench(flags);
    EXPECT_THAT(outcome.errors, HasSubstr(sentence));
    EXPECT_NE(outcome.status, 0) << sentence;
    EXPECT_EQ(outcome.output, "") << sentence;
  }
}

}  // namespace
}  // namespace kprune::testing
