// Jobs that outlive a worker or a server: what the supervisor finds when it starts, and what the next attempt
// goes on from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "tests/fakes/fake_worker_launcher.h"
#include "tests/server/jobs/supervisor_fixture.h"

namespace kprune {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;

TEST_F(SupervisorTest, ExamplesAfterACrashTheNextAttemptGoesOnFromTheCheckpoint) {
  const std::string id = Queue({{"sublayers", 4}, {"crash_at", 3}, {"crash_attempts", 1}});
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  ASSERT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.attempt, 2);
  EXPECT_EQ(Computed(job), 1) << "the other three were in the checkpoint";
  EXPECT_THAT(Sublayers(id), ElementsAre(0, 1, 2, 3)) << "a watcher is told of each once";
  supervisor_->Drain();
  EXPECT_THAT(metrics_.events(), Contains("attention").Times(2));
  EXPECT_THAT(metrics_.events(), Contains("feed-forward").Times(2));
  EXPECT_FALSE(HasJobDirectories());
}

TEST_F(SupervisorTest, ADrainedJobGoesOnFromItsCheckpointOnTheNextServer) {
  const std::string gate = folder_.path() / "gate";
  const std::string id = Queue({{"sublayers", 4}, {"wait_at", 2}, {"wait_for", gate}});
  Start();
  AwaitJob(store_, id, [&](const JobRecord&) { return Sublayers(id).size() == 2; });
  supervisor_->Drain();
  EXPECT_EQ(store_.Get(id)->state, JobState::kQueued);
  EXPECT_TRUE(HasCheckpoint(id));

  std::ofstream(gate) << "open";
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(Computed(job), 2);
  EXPECT_THAT(Sublayers(id), ElementsAre(0, 1, 2, 3));
  supervisor_->Drain();
  EXPECT_FALSE(HasJobDirectories());
}

TEST_F(SupervisorTest, AJobThatEndsEarlyKeepsWhatIsFinished) {
  const std::string id = Queue(
      {{"sublayers", 4}, {"wait_at", 2}, {"wait_for", folder_.path() / "never"}, {"warn_waiting", true}});
  Start();
  // Two sublayers are finished, and it is at the third.
  AwaitJob(store_, id, [&](const JobRecord&) { return absl::StrContains(Payloads(id), "waiting"); });
  ASSERT_TRUE(store_.EndEarly(id, system_clock_.Now()).ok());
  supervisor_->OnJobEndsEarly(id);
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kCancelled);
  EXPECT_EQ(job.attempt, 1);
  EXPECT_EQ(Reported(job, "finished"), 3) << "the one it was at is the last";
  supervisor_->Drain();
  EXPECT_THAT(metrics_.events(), Contains("job CANCELLED"));
  EXPECT_FALSE(HasJobDirectories());
}

TEST_F(SupervisorTest, AJobThatEndsEarlyHandsOverTheCheckpointOfADeadServer) {
  const std::string id = Queue({{"sublayers", 4}, {"wait_at", 2}, {"wait_for", folder_.path() / "never"}});
  Start();
  AwaitJob(store_, id, [&](const JobRecord&) { return Sublayers(id).size() == 2; });
  supervisor_->Drain();
  // Asked for while no server had a worker of it.
  ASSERT_EQ(store_.EndEarly(id, system_clock_.Now())->state, JobState::kQueued);
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kCancelled);
  EXPECT_EQ(Reported(job, "finished"), 2);
  EXPECT_EQ(Computed(job), 0);
}

TEST_F(SupervisorTest, AJobThatEndsBeforeItsFirstSublayerHasNoResultAndSaysSo) {
  const std::string id = Queue({{"touch", folder_.path() / "begun"}, {"wait_for", folder_.path() / "never"}});
  Start();
  AwaitJob(store_, id, [&](const JobRecord&) { return std::filesystem::exists(folder_.path() / "begun"); });
  ASSERT_TRUE(store_.EndEarly(id, system_clock_.Now()).ok());
  supervisor_->OnJobEndsEarly(id);
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kCancelled);
  EXPECT_THAT(job.result, testing::IsEmpty());
  EXPECT_THAT(Payloads(id), testing::HasSubstr("there is no partial result"));
  EXPECT_EQ(job.crashes, 0);
}

TEST_F(SupervisorTest, ALostCheckpointOnlyCostsTime) {
  const std::string gate = folder_.path() / "gate";
  const std::string id = Queue({{"sublayers", 4}, {"wait_at", 2}, {"wait_for", gate}});
  Start();
  AwaitJob(store_, id, [&](const JobRecord&) { return Sublayers(id).size() == 2; });
  supervisor_->Drain();
  std::filesystem::remove_all(folder_.path() / "jobs");

  std::ofstream(gate) << "open";
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(Computed(job), 4);
  EXPECT_THAT(Sublayers(id), ElementsAre(0, 1, 0, 1, 2, 3)) << "they were computed twice";
}

TEST_F(SupervisorTest, ACancelledJobKeepsNoCheckpoint) {
  const std::string gate = folder_.path() / "gate";
  const std::string id = Queue({{"sublayers", 4}, {"wait_at", 2}, {"wait_for", gate}});
  Start();
  AwaitJob(store_, id, [&](const JobRecord&) { return Sublayers(id).size() == 2; });
  supervisor_->Drain();
  ASSERT_TRUE(HasCheckpoint(id));
  ASSERT_TRUE(store_.Cancel(id, system_clock_.Now()).ok());
  supervisor_->OnJobCancelled(id);
  EXPECT_FALSE(HasJobDirectories());

  // Retried, it begins at the bottom.
  ASSERT_TRUE(store_.Retry(id, system_clock_.Now()).ok());
  std::ofstream(gate) << "open";
  Start();
  EXPECT_EQ(Computed(AwaitFinished(store_, id)), 4);
}

TEST_F(SupervisorTest, AJobCancelledWhileItRunsLeavesNoCheckpoint) {
  Supervisor& supervisor = Start();
  const std::string id = Queue({{"hang", true}});
  AwaitJob(store_, id, [&](const JobRecord&) { return Sublayers(id).size() == 4; });
  ASSERT_TRUE(store_.Cancel(id, system_clock_.Now()).ok());
  supervisor.OnJobCancelled(id);
  supervisor.Drain();
  EXPECT_FALSE(HasJobDirectories());
}

TEST_F(SupervisorTest, ADrainRequeuesTheRunningJobWithoutChargingIt) {
  const std::string gate = folder_.path() / "gate";
  const std::string id = Queue({{"wait_for", gate}, {"touch", (folder_.path() / "started").string()}});
  const std::string waiting = Queue({{"sublayers", 1}});
  Start();
  AwaitJob(store_, id, [&](const JobRecord&) { return store_.ReadEvents(id, 0, 10)->events.size() >= 3; });
  supervisor_->Drain();
  EXPECT_EQ(store_.Get(id)->state, JobState::kQueued);
  EXPECT_EQ(store_.Get(id)->crashes, 0);
  EXPECT_EQ(store_.Get(waiting)->state, JobState::kQueued) << "a draining server claims nothing";
  EXPECT_THAT(metrics_.events(), ElementsAre("worker drained"));
  EXPECT_FALSE(HasJobDirectories());

  // The next server finishes both.
  std::ofstream(gate) << "open";
  Start();
  EXPECT_EQ(AwaitFinished(store_, id).state, JobState::kSucceeded);
  EXPECT_EQ(AwaitFinished(store_, waiting).state, JobState::kSucceeded);
}

TEST_F(SupervisorTest, ARestartedServerEndsTheOldWorkerBeforeTheJobRunsAgain) {
  // What a server killed in the middle leaves: a RUNNING job, its directory, and a worker that does not
  // listen.
  const std::string gate = folder_.path() / "gate";
  const std::string id = Queue({{"wait_for", gate},
                                {"wait_at", 1},
                                {"ignore_sigterm", true},
                                {"touch", (folder_.path() / "started").string()}});
  auto claimed = store_.Claim("cpu", system_clock_.Now());
  const Lease old_lease = {id, claimed->job->lease_epoch};
  const auto directory = folder_.path() / "jobs" / id / "attempt-1";
  std::filesystem::create_directories(directory / "model");
  std::filesystem::create_directories(directory / "scratch" / "checkpoint");
  std::ofstream(directory / "scratch" / "checkpoint" / "sublayers.jsonl")
      << R"({"sublayer": {"index": 0, "total": 4}})"
      << "\n";
  std::ofstream(directory / "job.json") << R"({"kind": "prune", "model": "model"})";
  std::ofstream(directory / "model" / "config.json")
      << json{{"fake", {{"wait_for", gate}, {"wait_at", 1}, {"ignore_sigterm", true}}}}.dump();
  auto old_worker = processes_.Launch({directory, "cpu"});
  ASSERT_TRUE(old_worker.ok()) << old_worker.status();
  ASSERT_EQ((*old_worker)->ReadProgress(absl::Minutes(1)).kind, ProgressRead::Kind::kLine);
  ASSERT_TRUE(store_.SetWorker(old_lease, (*old_worker)->identity()).ok());

  Start();
  const auto exit = (*old_worker)->Wait(absl::ZeroDuration());
  ASSERT_TRUE(exit.has_value()) << "the old worker lives on beside the new one";
  EXPECT_TRUE(exit->signalled);
  EXPECT_TRUE(absl::IsAborted(store_.Heartbeat(old_lease, system_clock_.Now())));
  std::ofstream(gate) << "open";
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.attempt, 2);
  EXPECT_EQ(job.crashes, 0);
  EXPECT_EQ(Computed(job), 3) << "the old worker had done the first sublayer";
}

TEST_F(SupervisorTest, EveryOrphanIsAskedAfterBeforeTheQueueOpens) {
  const std::string id = Queue({});
  auto claimed = store_.Claim("cpu", system_clock_.Now());
  const ProcessIdentity orphan = {4711, 42, "boot"};
  ASSERT_TRUE(store_.SetWorker({id, claimed->job->lease_epoch}, orphan).ok());
  auto launcher = std::make_unique<FakeWorkerLauncher>([&](const LaunchRequest&) {
    FakeWorkerScript script;
    script.work = WriteResult;
    return script;
  });
  const FakeWorkerLauncher& asked = *launcher;
  Start(std::move(launcher));
  EXPECT_THAT(asked.gone(), ElementsAre(orphan));
  EXPECT_EQ(AwaitFinished(store_, id).state, JobState::kSucceeded);
}

}  // namespace
}  // namespace kprune
