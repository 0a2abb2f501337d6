// The supervisor with real processes (fake_worker speaks the worker's protocol without torch) and with
// scripted ones.
#include "server/jobs/supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"
#include "server/artifacts/in_memory_artifact_store.h"
#include "server/jobs/in_memory_job_store.h"
#include "server/jobs/process_worker_launcher.h"
#include "server/jobs/system_clock.h"
#include "tests/fakes/fake_worker_launcher.h"
#include "tests/fakes/recording_metrics.h"
#include "tests/fakes/simulated_clock.h"
#include "tests/support/await_job.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest() {
    options_.data_dir = folder_.path();
    options_.grace_period = absl::Milliseconds(200);
    options_.heartbeat_interval = absl::Milliseconds(50);
  }

  // With the real launcher and clock, unless a test brings its own.
  Supervisor& Start(std::unique_ptr<WorkerLauncher> launcher = nullptr, Clock* clock = nullptr) {
    supervisor_.reset();
    launcher_ = std::move(launcher);
    supervisor_ = std::make_unique<Supervisor>(
        SupervisorContext{store_, artifacts_, references_, launcher_ != nullptr ? *launcher_ : processes_,
                          clock != nullptr ? *clock : system_clock_, metrics_},
        options_);
    const absl::Status started = supervisor_->Start();
    EXPECT_TRUE(started.ok()) << started;
    return *supervisor_;
  }

  FileEntry Put(const std::string& name, const std::string& bytes) {
    const Artifact artifact = artifacts_.Put(bytes);
    return {name, artifact.sha256, artifact.size_bytes};
  }

  // Queues a job whose fake worker behaves as `fake` says.
  std::string Queue(const json& fake) {
    NewJob job;
    job.input.model = {Put("config.json", json{{"model_type", "bert"}, {"fake", fake}}.dump()),
                       Put("model.safetensors", "weights"), Put("1_Pooling/config.json", "{}")};
    job.input.data = {Put("samples.jsonl", "{\"text\": \"a\"}\n")};
    job.input.options_json = R"({"keep_flops": 0.25})";
    auto created = store_.Create(job, system_clock_.Now());
    EXPECT_TRUE(created.ok()) << created.status();
    return created->job.id;
  }

  std::string Payloads(const std::string& id) {
    auto batch = store_.ReadEvents(id, 0, 100000);
    std::string all;
    for (const JobEvent& event : batch->events) absl::StrAppend(&all, event.payload_json, "\n");
    return all;
  }

  // The sublayers that the events tell of, in order.
  std::vector<int> Sublayers(const std::string& id) {
    std::vector<int> indices;
    auto batch = store_.ReadEvents(id, 0, 100000);
    for (const JobEvent& event : batch->events) {
      const json payload = json::parse(event.payload_json);
      if (payload.contains("sublayer")) indices.push_back(payload["sublayer"].value("index", -1));
    }
    return indices;
  }

  // How many sublayers the job's last worker computed itself.
  int Computed(const JobRecord& job) {
    return job.result.size() < 3 ? -1 : json::parse(Download(job.result[2])).value("computed", -1);
  }

  bool HasCheckpoint(const std::string& id) {
    return std::filesystem::exists(folder_.path() / "jobs" / id / "checkpoint" / "sublayers.jsonl");
  }

  bool HasJobDirectories() {
    const auto jobs = folder_.path() / "jobs";
    return std::filesystem::exists(jobs) && !std::filesystem::is_empty(jobs);
  }

  std::string Download(const FileEntry& file) {
    const auto path = folder_.path() / "downloaded";
    std::filesystem::remove(path);
    EXPECT_TRUE(artifacts_.LinkTo(file.sha256, path).ok());
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  TempDirectory folder_;
  InMemoryJobStore store_{[] {
    JobStoreOptions options;
    options.retry_backoff = absl::Milliseconds(1);
    return options;
  }()};
  InMemoryArtifactStore artifacts_;
  ArtifactReferences references_;
  ProcessWorkerLauncher processes_{std::filesystem::path(KPRUNE_BIN_DIR) / "fake_worker"};
  SystemClock system_clock_;
  SimulatedClock simulated_clock_;
  RecordingMetrics metrics_;
  SupervisorOptions options_;
  std::unique_ptr<WorkerLauncher> launcher_;
  std::unique_ptr<Supervisor> supervisor_;  // last: it uses what is above
};

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

TEST_F(SupervisorTest, AfterACrashTheNextAttemptGoesOnFromTheCheckpoint) {
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

// Writes the least that counts as a result.
void WriteResult(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory / "result");
  for (const char* name : {"config.json", "model.safetensors", "report.json"}) {
    std::ofstream(directory / "result" / name) << name;
  }
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
