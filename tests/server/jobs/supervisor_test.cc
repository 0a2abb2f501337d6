// The supervisor with real processes and with scripted ones; supervisor_resume_test.cc has what is tried
// again.
#include "server/jobs/supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"
#include "tests/fakes/fake_worker_launcher.h"
#include "tests/server/jobs/supervisor_fixture.h"

namespace kprune {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST_F(SupervisorTest, Examples) {
  const std::string id = Queue({{"sublayers", 2}});
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  ASSERT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.attempt, 1);

  // The result files are artifacts now, and the options arrived at the worker.
  ASSERT_EQ(job.result.size(), 3u);
  EXPECT_EQ(job.result[0].name, "config.json");
  EXPECT_EQ(job.result[1].name, "model.safetensors");
  EXPECT_EQ(job.result[2].name, "report.json");
  EXPECT_THAT(Download(job.result[2]), HasSubstr("0.25"));
  EXPECT_EQ(static_cast<int64_t>(Download(job.result[1]).size()), job.result[1].size_bytes);

  // Its events tell the whole story.
  const std::string events = Payloads(id);
  EXPECT_THAT(events, HasSubstr("RUNNING"));
  EXPECT_THAT(events, HasSubstr("ATTENTION"));
  EXPECT_THAT(events, HasSubstr("FEED_FORWARD"));
  EXPECT_THAT(events, HasSubstr("SUCCEEDED"));

  supervisor_->Drain();
  EXPECT_THAT(metrics_.events(),
              ElementsAre("attention", "feed-forward", "worker succeeded", "job SUCCEEDED"));
  EXPECT_FALSE(HasJobDirectories());
}

TEST_F(SupervisorTest, ADeviceRunsOneJobAfterTheOther) {
  Start();
  const std::string first = Queue({{"sublayers", 1}});
  const std::string second = Queue({{"sublayers", 1}, {"another", "artifact"}});
  EXPECT_EQ(AwaitFinished(store_, second).state, JobState::kSucceeded);
  EXPECT_EQ(AwaitFinished(store_, first).state, JobState::kSucceeded);
  EXPECT_LE(*store_.Get(first)->end_time, *store_.Get(second)->start_time);
}

TEST_F(SupervisorTest, AFailureKeepsTheWorkersCodeAndSentence) {
  const std::string id = Queue({{"fail", "INVALID_ARGUMENT: Tensor encoder.layer.0.weight has a NaN."}});
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.error, (JobError{"INVALID_ARGUMENT", "Tensor encoder.layer.0.weight has a NaN."}));
  EXPECT_EQ(job.attempt, 1) << "running it again would fail again";
  supervisor_->Drain();
  EXPECT_THAT(metrics_.events(), Contains("worker failed"));
  EXPECT_THAT(metrics_.events(), Contains("job FAILED"));
}

TEST_F(SupervisorTest, AWorkerThatCrashesOnceIsStartedAgain) {
  const std::string id = Queue({{"crash_at", 1}, {"crash_attempts", 1}});
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.attempt, 2);
  EXPECT_THAT(Payloads(id), HasSubstr("RETRY_WAIT"));
}

TEST_F(SupervisorTest, ThreeCrashesEndTheJobAndShowTheEndOfTheLog) {
  const std::string id = Queue({{"crash_at", 1}, {"complain", "CUDA error: an illegal memory access"}});
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.attempt, 3);
  EXPECT_EQ(job.error.code, "INTERNAL");
  EXPECT_THAT(job.error.message, HasSubstr("crashed 3 times"));
  EXPECT_THAT(job.error.message, HasSubstr("signal 6"));
  EXPECT_THAT(job.error.message, HasSubstr("CUDA error: an illegal memory access"));
  supervisor_->Drain();
  EXPECT_FALSE(HasJobDirectories());
}

TEST_F(SupervisorTest, ACancelledWorkerThatIgnoresSigtermIsKilledAndItsDeviceIsFree) {
  Supervisor& supervisor = Start();
  const std::string id = Queue({{"sublayers", 1}, {"hang", true}, {"ignore_sigterm", true}});
  AwaitJob(store_, id, [](const JobRecord& job) { return job.progress > 0; });
  const ProcessIdentity worker = (*store_.ListRunning())[0].worker;
  ASSERT_GT(worker.pid, 0);

  ASSERT_TRUE(store_.Cancel(id, system_clock_.Now()).ok());
  supervisor.OnJobCancelled(id);
  const std::string next = Queue({{"sublayers", 1}});
  EXPECT_EQ(AwaitFinished(store_, next).state, JobState::kSucceeded);

  EXPECT_NE(kill(static_cast<pid_t>(worker.pid), 0), 0) << "the cancelled worker still lives";
  EXPECT_EQ(store_.Get(id)->state, JobState::kCancelled);
  EXPECT_THAT(metrics_.events(), Contains("worker cancelled"));
}

TEST_F(SupervisorTest, AJobCancelledInTheStoreAloneIsNoticedByItsLease) {
  Start();
  const std::string id = Queue({{"hang", true}});
  AwaitJob(store_, id, [](const JobRecord& job) { return job.progress > 0; });
  ASSERT_TRUE(store_.Cancel(id, system_clock_.Now()).ok());
  EXPECT_EQ(AwaitFinished(store_, Queue({{"sublayers", 1}})).state, JobState::kSucceeded);
}

TEST_F(SupervisorTest, GarbageInTheProgressIsDroppedAndTheJobGoesOn) {
  const std::string id = Queue({{"sublayers", 2}, {"garbage_lines", true}});
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  const std::string events = Payloads(id);
  EXPECT_THAT(events, Not(HasSubstr("not JSON")));
  EXPECT_THAT(events, Not(HasSubstr("two at once")));
  EXPECT_THAT(events, Not(HasSubstr("much")));
  EXPECT_THAT(events, HasSubstr("\"index\":1"));
  // A worker does not end its own job.
  EXPECT_EQ(store_.ReadEvents(id, 0, 100)->events.size(), 3u + 1 + 2 * 2 + 1);
}

TEST_F(SupervisorTest, AnArtifactThatIsGoneFailsTheJobWithItsName) {
  const std::string id = Queue({});
  ASSERT_TRUE(artifacts_.Delete(store_.Get(id)->input.data[0].sha256).ok());
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.error.code, "FAILED_PRECONDITION");
  EXPECT_THAT(job.error.message, HasSubstr("samples.jsonl"));
}

TEST_F(SupervisorTest, AnArtifactThatRottedIsDataLossAndNamed) {
  const std::string id = Queue({});
  artifacts_.Corrupt(store_.Get(id)->input.model[1].sha256, "weighty");
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.error.code, "DATA_LOSS");
  EXPECT_THAT(job.error.message, HasSubstr("model.safetensors"));
}

TEST_F(SupervisorTest, AFileThatIsNoResultStaysBehindWithAWarning) {
  const std::string id = Queue({{"extra_file", "run_me.py"}});
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded);
  EXPECT_EQ(job.result.size(), 3u);
  EXPECT_THAT(Payloads(id), HasSubstr("run_me.py"));
}

TEST_F(SupervisorTest, AResultOfSeveralModelsIsPublishedWithItsFolders) {
  const std::string id = Queue({{"models", {"keep-0.70", "keep-0.50"}}});
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  std::vector<std::string> names;
  for (const FileEntry& file : job.result) names.push_back(file.name);
  EXPECT_THAT(names,
              testing::ElementsAre("keep-0.50/config.json", "keep-0.50/model.safetensors",
                                   "keep-0.50/report.json", "keep-0.70/config.json",
                                   "keep-0.70/model.safetensors", "keep-0.70/report.json", "report.json"));
}

TEST_F(SupervisorTest, AModelThatLacksAFileAmongSeveralIsAFailureThatNamesIt) {
  const std::string id = Queue({{"models", {"keep-0.70"}}, {"extra_file", "keep-0.50/model.safetensors"}});
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_THAT(job.error.message, HasSubstr("no config.json in its result keep-0.50"));
}

TEST_F(SupervisorTest, AModelInAFolderOfAnotherNameStaysBehind) {
  const std::string id = Queue({{"models", {".", "keep-0.50x", "keep-0.50/keep-0.30"}}});
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.result.size(), 3u);
  EXPECT_THAT(Payloads(id), HasSubstr("keep-0.50x"));
  EXPECT_THAT(Payloads(id), HasSubstr("keep-0.50/keep-0.30"));
}

TEST_F(SupervisorTest, ASuccessWithoutAResultIsAFailure) {
  const std::string id = Queue({{"no_result", true}});
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.error.code, "INTERNAL");
  EXPECT_THAT(job.error.message, HasSubstr("config.json"));
}

TEST_F(SupervisorTest, AWorkerProgramThatIsMissingIsTriedAgainAndThenNamed) {
  const std::string id = Queue({});
  Start(std::make_unique<ProcessWorkerLauncher>(folder_.path() / "no-such-worker"));
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_THAT(job.error.message, HasSubstr("no-such-worker"));
}

TEST_F(SupervisorTest, ACrashedJobWaitsForItsBackOffByTheClock) {
  std::atomic<int> launches = 0;
  auto launcher = std::make_unique<FakeWorkerLauncher>([&](const LaunchRequest&) {
    FakeWorkerScript script;
    script.exit = {++launches == 1 ? 77 : int{kWorkerSucceeded}, false};
    script.work = WriteResult;
    return script;
  });
  const std::string id = Queue({});
  Start(std::move(launcher), &simulated_clock_);
  const JobRecord waiting = AwaitState(store_, id, JobState::kRetryWait);
  EXPECT_THAT(waiting.error.message, HasSubstr("status 77"));
  EXPECT_EQ(launches, 1);
  simulated_clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(AwaitFinished(store_, id).state, JobState::kSucceeded);
  EXPECT_EQ(launches, 2);
}

TEST_F(SupervisorTest, AWorkerThatSendsWithoutEndIsNotHeardForEver) {
  options_.max_events = 10;
  auto launcher = std::make_unique<FakeWorkerLauncher>([&](const LaunchRequest&) {
    FakeWorkerScript script;
    script.lines.assign(1000, R"({"stage": {"stage": "MEASURE", "fraction": 0.5}})");
    script.work = WriteResult;
    return script;
  });
  const std::string id = Queue({});
  Start(std::move(launcher));
  EXPECT_EQ(AwaitFinished(store_, id).state, JobState::kSucceeded);
  auto batch = store_.ReadEvents(id, 0, 100000);
  EXPECT_EQ(batch->events.size(), 2u + 10 + 1 + 1);
  EXPECT_THAT(Payloads(id), HasSubstr("more than 10 events"));
}

TEST_F(SupervisorTest, AStopThatArrivesAfterTheJobWasRetriedRequeuesIt) {
  std::atomic<int> launches = 0;
  auto launcher = std::make_unique<FakeWorkerLauncher>([&](const LaunchRequest&) {
    FakeWorkerScript script;
    script.stays = ++launches == 1;
    script.lines = {R"({"stage": {"stage": "MEASURE", "fraction": 0.5}})"};
    script.exit = {script.stays ? int{kWorkerCancelled} : int{kWorkerSucceeded}, false};
    script.work = WriteResult;
    return script;
  });
  options_.heartbeat_interval = absl::Hours(1);
  const std::string id = Queue({});
  Supervisor& supervisor = Start(std::move(launcher));
  AwaitJob(store_, id, [](const JobRecord& job) { return job.progress > 0; });
  supervisor.OnJobCancelled(id);  // of a cancellation that is not this attempt's
  EXPECT_EQ(AwaitFinished(store_, id).state, JobState::kSucceeded);
  EXPECT_EQ(launches, 2);
}

}  // namespace
}  // namespace kprune
