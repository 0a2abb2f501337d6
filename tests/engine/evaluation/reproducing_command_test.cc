#include "engine/evaluation/reproducing_command.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/evaluation/example_report.h"
#include "tests/support/latency_table.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ReproducingCommandTest, Examples) {
  EXPECT_EQ(ReproducingCommand(ExampleReport()),
            "kprune run MODEL \\\n  --data samples.jsonl \\\n  --eval dev.jsonl \\\n  --keep-flops 0.5 \\\n  "
            "--seed 7 "
            "\\\n  --output OUTPUT");
}

TEST(ReproducingCommandTest, HasEveryOptionThatIsNotAtItsDefault) {
  Options options;
  options.keep_flops = {0.7, 0.25};
  options.memory_limit_bytes = int64_t{4} << 30;
  options.lambda_rep = 0.01;
  options.normalize = false;
  options.exports = {"safetensors", "dense"};
  options.scoring = "paper-code";
  options.mu = 64;
  json report = {{"options", ToJson(options)}};
  EXPECT_THAT(ReproducingCommand(report),
              AllOf(HasSubstr("--keep-flops 0.7,0.25 "), HasSubstr("--memory-limit 4294967296 "),
                    HasSubstr("--lambda-rep 0.01 "), HasSubstr("--no-normalize "),
                    HasSubstr("--export safetensors,dense "), HasSubstr("--scoring paper-code "),
                    Not(HasSubstr("--mu"))));
  options.auto_lambda_rep = true;
  options.normalize = true;
  options.mu = 2;
  options.exports = {"torchscript", "safetensors", "onnx"};
  report["options"] = ToJson(options);
  EXPECT_THAT(ReproducingCommand(report),
              AllOf(HasSubstr("--lambda-rep auto "), Not(HasSubstr("0.01")), HasSubstr("--normalize "),
                    HasSubstr("--mu 2"), Not(HasSubstr("--export"))));
}

TEST(ReproducingCommandTest, ALatencyBudgetNamesItsTable) {
  Options options;
  options.target_latency_ms = 4.5;
  options.latency_table = testing::EvenLatencyTable(2, 4, 8);
  EXPECT_THAT(ReproducingCommand({{"options", ToJson(options)}}),
              AllOf(HasSubstr("--target-latency 4.5ms "), HasSubstr("--latency-table TABLE "),
                    Not(HasSubstr("--keep-flops")), Not(HasSubstr("rows"))));
}

TEST(ReproducingCommandTest, AWordIsOneWordForAShell) {
  const testing::TemporaryFolder folder;
  for (const std::string word : {"plain-1.jsonl", "", "two words", "it's", "$(touch x)", "`touch x`", "a\nb",
                                 "*", "\"", "\\", "!", "a;b", "'\\''"}) {
    testing::Process shell({"/bin/sh", "-c", "printf %s " + ShellWord(word)}, folder / "shell");
    ASSERT_EQ(shell.Wait(), 0) << word;
    EXPECT_EQ(shell.Output(), word);
  }
}

TEST(ReproducingCommandTest, AFileIsNeverAFlag) {
  json report = {{"inputs", {{"data/-rf.jsonl", "aa"}, {"data/b c.jsonl", "bb"}, {"eval/$x.jsonl", "cc"}}}};
  EXPECT_EQ(ReproducingCommand(report),
            "kprune run MODEL \\\n  --data ./-rf.jsonl \\\n  --data 'b c.jsonl' \\\n  --eval '$x.jsonl' \\\n "
            " --output "
            "OUTPUT");
}

}  // namespace
}  // namespace kprune
