// `kprune run` as a process, with a stand-in for the worker that speaks its protocol.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "client/json_text.h"
#include "kprune/v1/job.pb.h"
#include "nlohmann/json.hpp"
#include "tests/client/program.h"
#include "tests/client/scratch_folder.h"

namespace kprune::client {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class RunCommandTest : public ::testing::Test {
 protected:
  // Writes a model whose stand-in behaves so.
  RunCommandTest() {
    folder_.Write("data.jsonl", "{\"text\": \"a\"}\n");
    Behave("{}");
  }

  void Behave(const std::string& fake) {
    folder_.Write("model/config.json", R"({"model_type": "bert", "fake": )" + fake + "}");
    folder_.Write("model/model.safetensors", "weights");
  }

  std::vector<std::string> Arguments(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"run", folder_ / "model", "--data", folder_ / "data.jsonl"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  Outcome Run(std::vector<std::string> more) const {
    return RunProgram(Arguments(std::move(more)), environment_);
  }

  ScratchFolder folder_;
  std::map<std::string, std::string> environment_ = {{"KPRUNE_WORKER", KPRUNE_BIN_DIR "/fake_worker"},
                                                     {"TMPDIR", folder_.path().string()}};
};

TEST_F(RunCommandTest, Examples) {
  const Outcome outcome = Run({"--output", folder_ / "out", "--keep-flops", "0.5"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("FLOPs a sequence  2.00 G  1.00 G  50.0 %\n"));
  EXPECT_THAT(outcome.out, EndsWith("result: " + folder_ / "out" + "\n"));
  EXPECT_THAT(outcome.err, HasSubstr("[4/4] layer 1 feed-forward: kept 768 of 1536 neurons"));
  EXPECT_THAT(folder_.List("out"), ElementsAre("config.json", "model.safetensors", "report.json"));
  EXPECT_THAT(folder_.List(), ElementsAre("data.jsonl", "model", "out")) << "nothing temporary stays";
}

TEST_F(RunCommandTest, OptionsReachTheWorkerAsProtobufJson) {
  ASSERT_EQ(
      Run({"--output", folder_ / "out", "--keep-flops", "0.25", "--no-normalize", "--seed", "3"}).exit_code,
      0);
  const auto report = nlohmann::json::parse(folder_.Read("out/report.json"));
  EXPECT_EQ(report["options"],
            nlohmann::json::parse(R"({"keep_flops": [0.25], "normalize": false, "seed": 3})"));
}

TEST_F(RunCommandTest, JsonProgressIsTheWholeStoryInNumberedEvents) {
  const Outcome outcome = Run({"--output", folder_ / "out", "--progress=json"});
  std::istringstream lines(outcome.err);
  std::vector<kprune::v1::Event> events;
  for (std::string line; std::getline(lines, line);)
    ASSERT_TRUE(FromJson(line, events.emplace_back()).ok()) << line;
  ASSERT_GE(events.size(), 6u);
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1);
    EXPECT_TRUE(events[i].has_time());
  }
  EXPECT_EQ(events.front().state_changed().state(), kprune::v1::RUNNING);
  EXPECT_EQ(events.back().state_changed().state(), kprune::v1::SUCCEEDED);
  EXPECT_EQ(outcome.out, folder_.Read("out/report.json"));
}

TEST_F(RunCommandTest, AFailureIsOneSentenceAndExitCodeOne) {
  Behave(R"({"fail": "INVALID_ARGUMENT: tensor x holds NaN; every weight must be finite"})");
  const Outcome outcome = Run({"--output", folder_ / "out", "--progress=none"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err, "kprune: tensor x holds NaN; every weight must be finite\n");
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(folder_.List(), ElementsAre("data.jsonl", "model"));
}

TEST_F(RunCommandTest, ACrashIsNamed) {
  Behave(R"({"crash_at": 1})");
  const Outcome outcome = Run({"--output", folder_ / "out", "--progress=json"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("kprune: kprune-worker was ended by signal 6"));
  EXPECT_THAT(outcome.err, HasSubstr(R"("state":"FAILED")"));
}

TEST_F(RunCommandTest, SuccessWithoutAResultIsAFailure) {
  Behave(R"({"no_result": true})");
  const Outcome outcome = Run({"--output", folder_ / "out"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("kprune-worker ended without a result"));
}

TEST_F(RunCommandTest, CtrlCStopsTheWorkerAndLeavesNothingBehind) {
  for (const int signal : {SIGINT, SIGTERM}) {
    Behave(R"({"hang": true, "touch": ")" + folder_ / "worker.pid" + "\"}");
    Program program(Arguments({"--output", folder_ / "new/deep/out", "--progress=plain"}), environment_);
    ASSERT_TRUE(program.AwaitError("[4/4]"));
    program.Signal(signal);
    const Outcome outcome = program.Finish();
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("cancelled"));
    EXPECT_THAT(outcome.err, EndsWith("kprune: interrupted\n"));
    EXPECT_EQ(kill(std::stoi(folder_.Read("worker.pid")), 0), -1) << "the worker still runs";
    EXPECT_THAT(folder_.List(), ElementsAre("data.jsonl", "model", "worker.pid"));
  }
}

TEST_F(RunCommandTest, ASecondCtrlCKillsAWorkerThatDoesNotStop) {
  Behave(R"({"hang": true, "ignore_sigterm": true})");
  Program program(Arguments({"--output", folder_ / "out", "--progress=plain"}), environment_);
  ASSERT_TRUE(program.AwaitError("[4/4]"));
  program.Signal(SIGINT);
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Finish().exit_code, 2);
  EXPECT_THAT(folder_.List(), ElementsAre("data.jsonl", "model"));
}

TEST_F(RunCommandTest, AMalformedProgressLineIsAWarningAndTheJobGoesOn) {
  Behave(R"({"garbage_lines": true})");
  const Outcome outcome = Run({"--output", folder_ / "out"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err,
              HasSubstr("warning: the worker wrote a progress line that is not an event: this is not JSON"));
  EXPECT_LT(outcome.err.size(), 20000u) << "an oversized line is not shown whole";
}

TEST_F(RunCommandTest, AnExistingOutputIsRefusedBeforeTheWork) {
  folder_.Write("out/precious.txt", "mine");
  const Outcome refused = Run({"--output", folder_ / "out"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.err, "kprune: --output " + folder_ / "out" +
                             " exists and is not empty; name another folder or add --overwrite\n");
  const Outcome overwrite = Run({"--output", folder_ / "out", "--overwrite"});
  EXPECT_EQ(overwrite.exit_code, 1);
  EXPECT_THAT(overwrite.err, HasSubstr("is not the result of an earlier job"));
  EXPECT_EQ(folder_.Read("out/precious.txt"), "mine");
}

TEST_F(RunCommandTest, OverwriteReplacesAnEarlierResultOnly) {
  folder_.Write("out/report.json", "{}");
  folder_.Write("out/old.txt", "old");
  EXPECT_EQ(Run({"--output", folder_ / "out", "--overwrite"}).exit_code, 0);
  EXPECT_THAT(folder_.List("out"), ElementsAre("config.json", "model.safetensors", "report.json"));
  EXPECT_THAT(folder_.List(), ElementsAre("data.jsonl", "model", "out"));
}

TEST_F(RunCommandTest, TheModelItselfIsNeverTheOutput) {
  folder_.Write("model/report.json", "{}");
  const Outcome outcome = Run({"--output", folder_ / "model", "--overwrite"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("holds the input"));
}

TEST_F(RunCommandTest, ADryRunPrintsWhatIsPredictedAndWritesNothing) {
  const Outcome text = Run({"--dry-run"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("budget              1.00 G (50.0 %)\n"));
  const Outcome json = Run({"--dry-run", "--format", "json"});
  EXPECT_EQ(nlohmann::json::parse(json.out)["budget_flops"], 1e9);
  EXPECT_THAT(folder_.List(), ElementsAre("data.jsonl", "model"));
}

TEST_F(RunCommandTest, AWrongCommandLineIsExitCodeThree) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "--output (or --dry-run) is required"},
      {{"--output", folder_ / "out", "--method", "magic"},
       "magic is not accepted; accepted are refit, kprune"},
      {{"--output", folder_ / "out", "--keep-flops", "half"}, "--keep-flops"},
      {{"--output", folder_ / "out", "--eval", folder_ / "none.jsonl"}, "File does not exist"},
      {{"--output", folder_ / "out", "--no-such-flag"}, "--no-such-flag"}};
  for (const auto& [more, sentence] : cases) {
    const Outcome outcome = Run(more);
    EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(sentence));
    EXPECT_THAT(outcome.err, EndsWith("; see kprune run --help\n"));
  }
  const auto empty = RunProgram(Arguments({"--output", ""}));
  EXPECT_EQ(empty.exit_code, 3);
  EXPECT_THAT(empty.err, HasSubstr("names no folder"));
  EXPECT_EQ(RunProgram({}).exit_code, 3);
  EXPECT_EQ(RunProgram({"prune-all"}).exit_code, 3);
}

TEST_F(RunCommandTest, WhatOnlyServersFetchIsToldSo) {
  const Outcome outcome =
      RunProgram({"run", "s3://bucket/model", "--data", folder_ / "data.jsonl", "--output", folder_ / "out"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err,
              HasSubstr("s3://bucket/model is fetched by servers only: kprune submit hands it to one"));
}

TEST_F(RunCommandTest, AResultThatCannotBePrintedIsAFailure) {
  for (const std::string& arguments : {std::string("--version"), "run " + folder_ / "model" + " --data " +
                                                                     folder_ / "data.jsonl" + " --dry-run"}) {
    testing::Process shell({"/bin/sh", "-c", KPRUNE_BIN_DIR "/kprune " + arguments + " > /dev/full"},
                           folder_.path() / "shell", environment_);
    EXPECT_EQ(shell.Wait(), 1);
    EXPECT_EQ(shell.Errors(), "kprune: cannot write standard output; is its disk full?\n");
  }
}

TEST_F(RunCommandTest, AMissingWorkerIsNamed) {
  environment_["KPRUNE_WORKER"] = folder_ / "no-worker";
  const Outcome outcome = Run({"--output", folder_ / "out"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("the worker program is not at " + folder_ / "no-worker"));
}

TEST_F(RunCommandTest, EveryCommandHasHelpWithAnExample) {
  for (const char* command : {"run", "submit", "watch", "get", "list", "cancel", "retry", "delete", "fetch",
                              "eval", "compare", "tokenize", "verify", "report", "server-info"}) {
    const Outcome help = RunProgram({command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_THAT(help.out, HasSubstr("Example:\n  kprune " + std::string(command))) << command;
  }
  for (const char* command : {"run", "submit", "eval", "compare", "tokenize"})
    EXPECT_THAT(RunProgram({command, "--help"}).out, HasSubstr(".conll")) << command;
  EXPECT_EQ(RunProgram({"--version"}).out, "kprune " KPRUNE_VERSION "\n");
}

}  // namespace
}  // namespace kprune::client
