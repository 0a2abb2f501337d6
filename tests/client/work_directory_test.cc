// `kprune run --work-dir` as a process, with a stand-in for the worker that checkpoints and resumes.
#include "client/work_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/client/program.h"
#include "tests/client/scratch_folder.h"

namespace kprune::client {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class WorkDirectoryTest : public ::testing::Test {
 protected:
  // A model of four sublayers whose stand-in waits before the third until the gate is open.
  WorkDirectoryTest() {
    folder_.Write("data.jsonl", "{\"text\": \"a\"}\n");
    folder_.Write("model/model.safetensors", "weights");
    Behave(R"({"wait_at": 2, "wait_for": ")" + folder_ / "gate" + R"(", "touch": ")" +
           folder_ / "worker.pid" + "\"}");
  }

  void Behave(const std::string& fake) {
    folder_.Write("model/config.json", R"({"model_type": "bert", "fake": )" + fake + "}");
  }

  std::vector<std::string> Arguments(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"run",        folder_ / "model",
                                          "--data",     folder_ / "data.jsonl",
                                          "--work-dir", folder_ / "work",
                                          "--output",   folder_ / "out",
                                          "--progress", "plain"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  Outcome Run(std::vector<std::string> more = {}) const {
    return RunProgram(Arguments(std::move(more)), environment_);
  }

  // Ends the command by `signal` when two sublayers are done.
  Outcome Stop(int signal) const {
    Program program(Arguments(), environment_);
    EXPECT_TRUE(program.AwaitError("[2/4]"));
    program.Signal(signal);
    return program.Finish();
  }

  void OpenGate() const { folder_.Write("gate", "open"); }

  // How many sublayers the worker of the result computed itself.
  int Computed() const {
    return nlohmann::json::parse(folder_.Read("out/report.json")).value("computed", -1);
  }

  ScratchFolder folder_;
  const std::map<std::string, std::string> environment_ = {{"KPRUNE_WORKER", KPRUNE_BIN_DIR "/fake_worker"}};
};

TEST_F(WorkDirectoryTest, Examples) {
  const Outcome interrupted = Stop(SIGINT);
  EXPECT_EQ(interrupted.exit_code, 2);
  EXPECT_THAT(interrupted.err, EndsWith("kprune: interrupted; the same command goes on from what " +
                                        folder_ / "work" + " keeps\n"));
  OpenGate();
  const Outcome resumed = Run();
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(Computed(), 2);
  for (const char* sublayer : {"[1/4]", "[2/4]", "[3/4]", "[4/4]"}) {
    EXPECT_THAT(resumed.err, HasSubstr(sublayer)) << "the restored ones are shown, too";
  }
  EXPECT_THAT(folder_.List(), ElementsAre("data.jsonl", "gate", "model", "out", "worker.pid"));
}

TEST_F(WorkDirectoryTest, WithoutAnInterruptionNothingOfItStays) {
  OpenGate();
  EXPECT_EQ(Run().exit_code, 0);
  EXPECT_EQ(Computed(), 4);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "work"));
}

TEST_F(WorkDirectoryTest, AKilledCommandGoesOnOnceItsWorkerHasGone) {
  EXPECT_EQ(Stop(SIGKILL).exit_code, 128 + SIGKILL);
  OpenGate();
  const Outcome resumed = Run();
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(Computed(), 2);
}

TEST_F(WorkDirectoryTest, ACrashOfTheWorkerKeepsWhatWasDone) {
  Behave(R"({"crash_at": 3})");
  const Outcome crashed = Run();
  EXPECT_EQ(crashed.exit_code, 1);
  EXPECT_THAT(crashed.err, HasSubstr("kprune-worker was ended by signal 6"));
  EXPECT_THAT(crashed.err, HasSubstr("; the same command goes on from what"));
  Behave("{}");
  EXPECT_EQ(Run().exit_code, 0);
  EXPECT_EQ(Computed(), 1);
}

TEST_F(WorkDirectoryTest, AFailureBeforeTheFirstSublayerHoldsNobodyToItsOptions) {
  Behave(R"({"crash_at": 0})");
  const Outcome failed = Run({"--keep-flops", "0.5"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, Not(HasSubstr("goes on")));
  Behave("{}");
  EXPECT_EQ(Run({"--keep-flops", "0.25"}).exit_code, 0);
}

TEST_F(WorkDirectoryTest, AnotherJobsWorkIsRefusedAndLeftAlone) {
  Stop(SIGINT);
  const Outcome other = Run({"--keep-flops", "0.25"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_EQ(other.err, "kprune: --work-dir " + folder_ / "work" +
                           " holds unfinished work of a job with another model, data or options; repeat that "
                           "command, or name another folder\n");
  OpenGate();
  EXPECT_EQ(Run().exit_code, 0);
  EXPECT_EQ(Computed(), 2);
}

TEST_F(WorkDirectoryTest, AResultThatCouldNotBePublishedIsPublishedByTheSameCommand) {
  Program program(Arguments(), environment_);
  ASSERT_TRUE(program.AwaitError("[2/4]"));
  folder_.Write("out/precious.txt", "mine");
  OpenGate();
  const Outcome failed = program.Finish();
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("exists and is not empty"));
  EXPECT_EQ(folder_.Read("out/precious.txt"), "mine");
  std::filesystem::remove_all(folder_ / "out");
  std::filesystem::remove(folder_ / "worker.pid");
  const Outcome unsigned_result = Run({"--signing-key", folder_ / "key.pem"});
  EXPECT_EQ(unsigned_result.exit_code, 1);
  EXPECT_THAT(unsigned_result.err, HasSubstr("holds a finished result that was not signed"));
  const Outcome published = Run();
  EXPECT_EQ(published.exit_code, 0) << published.err;
  EXPECT_THAT(published.err, HasSubstr("holds the finished result"));
  EXPECT_EQ(Computed(), 4);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "worker.pid")) << "a worker ran";
  EXPECT_FALSE(std::filesystem::exists(folder_ / "work"));
}

TEST_F(WorkDirectoryTest, WhatIsNoWorkFolderIsRefused) {
  folder_.Write("work/thesis.txt", "mine");
  const Outcome other = Run();
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, HasSubstr("holds other files and no job; name a new or empty folder"));
  EXPECT_THAT(folder_.List("work"), ElementsAre("thesis.txt"));
  std::filesystem::remove_all(folder_ / "work");
  folder_.Write("work", "a file");
  EXPECT_THAT(Run().err, HasSubstr("is a file; name a folder"));
}

TEST_F(WorkDirectoryTest, TheOutputMustNotHoldIt) {
  const Outcome outcome = RunProgram({"run", folder_ / "model", "--data", folder_ / "data.jsonl",
                                      "--work-dir", folder_ / "out/work", "--output", folder_ / "out"},
                                     environment_);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("; name two folders side by side"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(WorkDirectoryTest, TwoCommandsDoNotShareIt) {
  Program first(Arguments(), environment_);
  ASSERT_TRUE(first.AwaitError("[2/4]"));
  const Outcome second = Run();
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("is in use by another kprune run"));
  OpenGate();
  EXPECT_EQ(first.Finish().exit_code, 0);
}

TEST_F(WorkDirectoryTest, OtherFilesThatCameToItStay) {
  Program program(Arguments(), environment_);
  ASSERT_TRUE(program.AwaitError("[2/4]"));
  folder_.Write("work/notes.txt", "mine");
  OpenGate();
  EXPECT_EQ(program.Finish().exit_code, 0);
  EXPECT_THAT(folder_.List("work"), ElementsAre("notes.txt"));
}

TEST_F(WorkDirectoryTest, AWrongCommandLineIsExitCodeThree) {
  EXPECT_EQ(Run({"--dry-run"}).exit_code, 3) << "a dry run keeps nothing";
  EXPECT_EQ(RunProgram({"run", folder_ / "model", "--data", folder_ / "data.jsonl", "--output",
                        folder_ / "out", "--work-dir", ""})
                .exit_code,
            3);
}

}  // namespace
}  // namespace kprune::client
