// The commands that print what a worker finds out, with a worker that is a small script.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/client/program.h"
#include "tests/client/scratch_folder.h"

namespace kprune::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class EvaluationCommandsTest : public ::testing::Test {
 protected:
  EvaluationCommandsTest() {
    folder_.Write("data.jsonl", "{\"text\": \"a\"}\n");
    folder_.Write("model/config.json", "{}");
    folder_.Write("half/config.json", "{}");
    std::filesystem::create_directory(folder_ / "tmp");
  }

  // The worker keeps job.json and writes `text` to result/`file`.
  Outcome Run(const std::vector<std::string>& arguments, const std::string& file, const std::string& text) {
    folder_.Write("answer", text);
    const std::string worker = folder_.Write(
        "worker", "#!/bin/sh\ncp \"$2/job.json\" " + folder_ / "job.json" + "\nmkdir \"$2/result\"\ncp " +
                      folder_ / "answer" + " \"$2/result/" + file + "\"\n");
    std::filesystem::permissions(worker, std::filesystem::perms::owner_all);
    return RunProgram(arguments, {{"KPRUNE_WORKER", worker}, {"TMPDIR", folder_ / "tmp"}});
  }

  nlohmann::json Job() const { return nlohmann::json::parse(folder_.Read("job.json")); }

  ScratchFolder folder_;
};

constexpr char kEvaluation[] =
    R"({"task": "text-classification", "metric": {"name": "accuracy", "value": 0.9014, "n": 872, "interval95": [0.88, 0.92]},
        "metrics": {"accuracy": 0.9014, "macro_f1": 0.9}, "flops": 2.0e9, "parameters": 22700000, "latency_ms": 7.5})";

TEST_F(EvaluationCommandsTest, Examples) {
  const Outcome outcome =
      Run({"eval", folder_ / "model", "--data", folder_ / "data.jsonl", "--max-length", "64"},
          "evaluation.json", kEvaluation);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "task        text-classification\n"
            "accuracy    0.9014  (95 %: 0.88, 0.92)  n 872\n"
            "macro_f1    0.9\n"
            "flops       2.00 G\n"
            "parameters  22.7 M\n"
            "latency_ms  7.5\n");
  EXPECT_EQ(Job(), (nlohmann::json{{"kind", "evaluate"},
                                   {"model", folder_ / "model"},
                                   {"data", {folder_ / "data.jsonl"}},
                                   {"options", {{"max_length", 64}}}}));
  EXPECT_THAT(folder_.List("tmp"), ElementsAre());
}

TEST_F(EvaluationCommandsTest, JsonIsTheWorkersOwnObjectOnOneLine) {
  const Outcome outcome =
      Run({"eval", folder_ / "model", "--data", folder_ / "data.jsonl", "--format", "json"},
          "evaluation.json", kEvaluation);
  EXPECT_EQ(nlohmann::json::parse(outcome.out), nlohmann::json::parse(kEvaluation));
  EXPECT_EQ(outcome.out.find('\n'), outcome.out.size() - 1);
}

TEST_F(EvaluationCommandsTest, ComparePutsModelsSideBySideAndLeavesOutWhatNobodyHas) {
  const Outcome outcome = Run(
      {"compare", folder_ / "model", folder_ / "half", "--data", folder_ / "data.jsonl"}, "comparison.json",
      R"({"models": [{"folder": "model", "flops": 2e9, "file_bytes": 91553792, "latency_ms": 8.0, "metric": null},
                         {"folder": "half", "flops": 1e9, "file_bytes": 69206016, "latency_ms": 5.0, "metric": null,
                          "agreement": {"n": 512, "top1": 0.95, "kl": 0.02}}]})");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("file_bytes      87.3 MiB  66.0 MiB\n"));
  EXPECT_THAT(outcome.out, ::testing::ContainsRegex("agreement top1 +0\\.95\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("metric")));
  EXPECT_EQ(Job()["others"], nlohmann::json{folder_ / "half"});
}

TEST_F(EvaluationCommandsTest, BenchHasALineForEveryModelAndRuntime) {
  const Outcome outcome =
      Run({"bench", folder_ / "model", folder_ / "half", "--batch-sizes", "8,64", "--lengths", "50",
           "--repeats", "3"},
          "bench.json",
          R"({"models": ["model", "half"], "device_name": "a processor", "threads": 2, "repeats": 3, "rows": [
              {"runtime": "TorchScript", "batch_size": 8, "tokens": 50, "models": [
                {"median_ms": 20.0, "p10_ms": 19.0, "p90_ms": 22.0, "sequences_per_second": 400.0, "speedup": 1.0},
                {"median_ms": 10.0, "p10_ms": 9.5, "p90_ms": 11.0, "sequences_per_second": 800.0, "speedup": 2.0}]}]})");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, ::testing::ContainsRegex("TorchScript +8 +50 +half +10 +9\\.5 +11 +800 +2\n"));
  EXPECT_THAT(outcome.out, HasSubstr("a processor, 2 threads, 3 turns\n"));
  EXPECT_EQ(Job()["bench"], (nlohmann::json{{"batch_sizes", {8, 64}}, {"lengths", {50}}, {"repeats", 3}}));
  EXPECT_EQ(Job()["others"], nlohmann::json{folder_ / "half"});
  for (const char* bad : {"8,", "0", "many", "1.5"}) {
    EXPECT_EQ(RunProgram({"bench", folder_ / "model", "--batch-sizes", bad}).exit_code, 3) << bad;
  }
}

TEST_F(EvaluationCommandsTest, TokenizePrintsTheLinesAsTheyAre) {
  const std::string lines = "{\"input_ids\": [101, 102]}\n{\"input_ids\": [101, 7, 102]}\n";
  EXPECT_EQ(Run({"tokenize", folder_ / "model", "--data", folder_ / "data.jsonl"}, "tokens.jsonl", lines).out,
            lines);
  EXPECT_EQ(Job()["kind"], "tokenize");
}

TEST_F(EvaluationCommandsTest, VerifyPrintsWhatWasChecked) {
  const Outcome outcome =
      Run({"verify", folder_ / "half"}, "verification.json",
          R"({"ok": true, "checks": [{"name": "digests", "ok": true}, {"name": "forward", "ok": true}]})");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("ok  yes\n"));
  EXPECT_THAT(outcome.out, HasSubstr("forward  yes\n"));
  EXPECT_FALSE(Job().contains("data"));
}

TEST_F(EvaluationCommandsTest, VerifyHasALineForEveryForm) {
  const Outcome one =
      Run({"verify", folder_ / "half"}, "verification.json",
          R"({"formats": [{"format": "safetensors", "by": "kprune 0.1.0", "max_difference": 0, "bound": 0},
                                          {"format": "onnx", "by": "ONNX checker", "max_difference": null, "bound": null}]})");
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_THAT(one.out, ::testing::ContainsRegex("safetensors +kprune 0\\.1\\.0 +0 +0\n"));
  EXPECT_THAT(one.out, ::testing::ContainsRegex("onnx +ONNX checker +not run +not run\n"));
  const Outcome several = Run({"verify", folder_ / "half"}, "verification.json",
                              R"({"models": [{"folder": "keep-0.50", "formats": [
                                  {"format": "onnx", "by": "ONNX Runtime 1.32.0", "max_difference": 2e-6, "bound": 3e-4}]}]})");
  EXPECT_THAT(several.out, ::testing::ContainsRegex("keep-0\\.50 +onnx +ONNX Runtime 1\\.32\\.0 +2e-06"));
}

TEST_F(EvaluationCommandsTest, AnAnswerThatIsNotJsonIsNamed) {
  const Outcome outcome =
      Run({"eval", folder_ / "model", "--data", folder_ / "data.jsonl", "--progress=none"}, "evaluation.json",
          "oops");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err, "kprune: kprune-worker wrote a evaluation.json that is not JSON\n");
}

TEST_F(EvaluationCommandsTest, ReportReadsTheFolderAndNamesWhatIsMissing) {
  folder_.Write("half/report.json", R"({"flops": {"original": 2e9, "kept": 1e9}})");
  EXPECT_THAT(RunProgram({"report", folder_ / "half"}).out,
              HasSubstr("FLOPs a sequence  2.00 G  1.00 G  50.0 %\n"));
  const Outcome missing = RunProgram({"report", folder_ / "model"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("has no report.json"));
}

}  // namespace
}  // namespace kprune::client
