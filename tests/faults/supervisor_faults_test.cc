// Jobs whose database, disk, worker or clock fails them: none is lost, and none is run in vain.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/artifacts/local_tenant_artifacts.h"
#include "server/jobs/sqlite_job_store.h"
#include "tests/fakes/fake_worker_launcher.h"
#include "tests/faults/faulty_disk.h"
#include "tests/faults/faulty_vfs.h"
#include "tests/server/jobs/supervisor_fixture.h"
#include "tests/support/artifact_encryption.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::Eventually;
using testing::FaultyDisk;
using testing::FaultyVfs;
using ::testing::HasSubstr;

class SupervisorFaultsTest : public SupervisorTest {
 protected:
  // A worker that waits before its last sublayer until the gate is opened.
  nlohmann::json AtTheGate() { return {{"sublayers", 4}, {"wait_at", 3}, {"wait_for", gate_}}; }
  void OpenGate() { testing::WriteFile(gate_, "open"); }

  static JobRecord AwaitTheGate(JobStore& store, const std::string& id) {
    return AwaitJob(store, id,
                    [](const JobRecord& job) { return job.progress >= 0.6 || IsFinished(job.state); });
  }

  int64_t Exits(const std::string& reason) {
    const std::vector<std::string> events = metrics_.events();
    return std::count(events.begin(), events.end(), "worker " + reason);
  }

  const std::string gate_ = folder_ / "gate";
};

// The same over a queue and artifacts on a disk that can fail.
class FailingDiskTest : public SupervisorFaultsTest {
 protected:
  FailingDiskTest() {
    jobs_ = OpenSqliteJobStore(folder_ / "jobs.db", JobStoreOptions()).value();
    LocalTenantArtifactsOptions options;
    options.data_dir = folder_.path();
    options.store.disk = &disk_;
    files_ = LocalTenantArtifacts::Open(options).value();
    options_.first_store_retry = absl::Milliseconds(20);
  }

  ~FailingDiskTest() override { on_disk_.reset(); }

  void StartOnDisk() {
    on_disk_.reset();
    on_disk_ = std::make_unique<Supervisor>(
        SupervisorContext{*jobs_, *files_, references_, processes_, system_clock_, metrics_, nullptr},
        options_);
    const absl::Status started = on_disk_->Start();
    ASSERT_TRUE(started.ok()) << started;
  }

  FileEntry PutOnDisk(const std::string& name, const std::string& bytes) {
    testing::WriteFile(folder_ / "file", bytes);
    const Artifact artifact = files_->Of(kDefaultTenant).value()->PutFile(folder_ / "file").value();
    return {name, artifact.sha256, artifact.size_bytes};
  }

  std::string QueueOnDisk(const nlohmann::json& fake) {
    NewJob job;
    job.input.model = {PutOnDisk("config.json", nlohmann::json{{"fake", fake}}.dump()),
                       PutOnDisk("model.safetensors", "weights")};
    job.input.data = {PutOnDisk("samples.jsonl", "{\"text\": \"a\"}\n")};
    return jobs_->Create(job, system_clock_.Now()).value().job.id;
  }

  // A job whose worker has finished on a disk that has been full since; no result could be stored.
  std::string FinishOnAFullDisk() {
    const std::string id = QueueOnDisk(AtTheGate());
    StartOnDisk();
    AwaitTheGate(*jobs_, id);
    disk_.FailAt(1, {ENOSPC, true, true});
    OpenGate();
    EXPECT_TRUE(Eventually([&] { return Exits("succeeded") == 1 && disk_.failed(); }));
    return id;
  }

  std::vector<int> SublayersTold(const std::string& id) {
    std::vector<int> indices;
    const auto batch = jobs_->ReadEvents(id, 0, 1000);
    for (const JobEvent& event : batch->events) {
      const nlohmann::json payload = nlohmann::json::parse(event.payload_json);
      if (payload.contains("sublayer")) indices.push_back(payload["sublayer"]["index"].get<int>());
    }
    return indices;
  }

  FaultyVfs vfs_;  // first: what is opened through it goes before it
  FaultyDisk disk_;
  std::unique_ptr<JobStore> jobs_;
  std::unique_ptr<LocalTenantArtifacts> files_;
  std::unique_ptr<Supervisor> on_disk_;
};

TEST_F(FailingDiskTest, AJobThatEndsWhileTheDatabaseIsFullSucceedsWhenThereIsRoom) {
  const std::string id = QueueOnDisk(AtTheGate());
  StartOnDisk();
  AwaitTheGate(*jobs_, id);
  vfs_.FailAt(1, {SQLITE_FULL, true, true});
  OpenGate();
  ASSERT_TRUE(Eventually([&] { return vfs_.reached(); })) << "something was to be stored";
  EXPECT_EQ(jobs_->Get(id)->state, JobState::kRunning);
  vfs_.FailAt(0, {});
  const JobRecord job = AwaitFinished(*jobs_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.attempt, 1);
  EXPECT_THAT(SublayersTold(id), ElementsAre(0, 1, 2, 3)) << "no event was lost either";
}

TEST_F(FailingDiskTest, AJobThatEndsWhileTheDiskIsFullSucceedsWhenThereIsRoom) {
  const std::string id = FinishOnAFullDisk();
  EXPECT_EQ(jobs_->Get(id)->state, JobState::kRunning);
  disk_.FailAt(0, {});
  EXPECT_EQ(AwaitFinished(*jobs_, id).state, JobState::kSucceeded);
}

TEST_F(FailingDiskTest, AFinishedResultThatCouldNotBeStoredIsPublishedByTheNextServer) {
  const std::string id = FinishOnAFullDisk();
  on_disk_->Drain();
  EXPECT_EQ(jobs_->Get(id)->state, JobState::kRunning) << "left for the next server";
  disk_.FailAt(0, {});
  StartOnDisk();
  const JobRecord job = AwaitFinished(*jobs_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.attempt, 2);
  EXPECT_EQ(Exits("succeeded"), 1) << "no worker ran again";
  on_disk_->Drain();
  EXPECT_FALSE(HasJobDirectories());
}

// A disk on which nothing more finds room, for a while.
class FullDisk final : public Disk {
 public:
  ssize_t Pwrite(int descriptor, const void* bytes, size_t count, off_t offset) override {
    if (!full) return Disk::Pwrite(descriptor, bytes, count, offset);
    errno = ENOSPC;
    return -1;
  }

  std::atomic<bool> full = false;
};

TEST_F(SupervisorFaultsTest, AJobWhoseFilesFindNoRoomInTheClearIsTriedAgainLater) {
  FullDisk disk;
  LocalTenantArtifactsOptions options;
  options.data_dir = folder_.path();
  options.store.disk = &disk;
  options.store.encryption = testing::SmallChunks();
  const auto files = LocalTenantArtifacts::Open(options).value();
  const auto put = [&](const std::string& name, const std::string& bytes) {
    testing::WriteFile(folder_ / "file", bytes);
    const Artifact artifact = files->Of(kDefaultTenant).value()->PutFile(folder_ / "file").value();
    return FileEntry{name, artifact.sha256, artifact.size_bytes};
  };
  NewJob job;
  job.input.model = {put("config.json", R"({"fake": {"sublayers": 1}})"),
                     put("model.safetensors", "weights")};
  job.input.data = {put("samples.jsonl", "{\"text\": \"a\"}\n")};
  disk.full = true;
  const std::string id = store_.Create(job, system_clock_.Now()).value().job.id;
  Supervisor supervisor(
      SupervisorContext{store_, *files, references_, processes_, system_clock_, metrics_, nullptr}, options_);
  ASSERT_TRUE(supervisor.Start().ok());
  const JobRecord refused = AwaitFinished(store_, id);
  EXPECT_EQ(refused.state, JobState::kFailed);
  EXPECT_GT(refused.attempt, 1) << "it was tried again, and others could run meanwhile";
  EXPECT_THAT(refused.error.message, HasSubstr("no room for file config.json"));
  disk.full = false;
  ASSERT_TRUE(store_.Retry(id, system_clock_.Now()).ok());
  EXPECT_EQ(AwaitFinished(store_, id).state, JobState::kSucceeded);
}

TEST_F(SupervisorFaultsTest, AStoppedWorkerIsKilledAndItsJobGoesOnWithoutIt) {
  options_.limits.silence = absl::Seconds(3);
  const std::string id = Queue(AtTheGate());
  Start();
  AwaitTheGate(store_, id);
  const auto running = store_.ListRunning();
  ASSERT_EQ(running->size(), 1u);
  const pid_t zombie = static_cast<pid_t>((*running)[0].worker.pid);
  ASSERT_EQ(kill(zombie, SIGSTOP), 0);
  OpenGate();  // for the next attempt
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.attempt, 2);
  EXPECT_THAT(Payloads(id), HasSubstr("no sign of life"));
  EXPECT_THAT(Sublayers(id), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(Computed(job), 1) << "the rest came from the checkpoint";
  EXPECT_NE(kill(zombie, SIGCONT), 0) << "it cannot wake up any more";
  const absl::Status late = store_.AppendEvent((*running)[0].lease, "{}", std::nullopt, system_clock_.Now());
  EXPECT_TRUE(absl::IsAborted(late)) << "its lease is of no use: " << late;
}

TEST_F(SupervisorFaultsTest, AWorkerBeyondItsLimitsEndsItsJobWithTheReason) {
  options_.limits.memory_bytes = 200 << 20;
  options_.limits.scratch_bytes = 1 << 20;
  options_.limits.time = absl::Seconds(5);
  Start();
  const std::string greedy = Queue({{"memory_bytes", 300 << 20}, {"hang", true}});
  const JobRecord memory = AwaitFinished(store_, greedy);
  EXPECT_EQ(memory.error.code, "RESOURCE_EXHAUSTED");
  EXPECT_THAT(memory.error.message, HasSubstr("of memory"));
  EXPECT_EQ(memory.attempt, 1) << "it would take as much again";
  const JobRecord scratch = AwaitFinished(store_, Queue({{"scratch_bytes", 2 << 20}, {"hang", true}}));
  EXPECT_EQ(scratch.error.code, "RESOURCE_EXHAUSTED");
  EXPECT_THAT(scratch.error.message, HasSubstr("of scratch files"));
  const JobRecord time = AwaitFinished(store_, Queue({{"hang", true}}));
  EXPECT_EQ(time.error.code, "DEADLINE_EXCEEDED");
  EXPECT_THAT(time.error.message, HasSubstr("for more than the 5s"));
  EXPECT_EQ(AwaitFinished(store_, Queue({{"sublayers", 1}})).state, JobState::kSucceeded)
      << "within them all is well";
}

TEST_F(SupervisorFaultsTest, AClockThatIsSetBackDoesNotDelayTheEndOfACancelledWorker) {
  auto launcher = std::make_unique<FakeWorkerLauncher>([&](const LaunchRequest&) {
    FakeWorkerScript script;
    script.lines = {R"({"stage": {"stage": "MEASURE", "fraction": 0.5}})"};
    script.stays = true;
    script.obeys = false;
    return script;
  });
  const std::string id = Queue({});
  Supervisor& supervisor = Start(std::move(launcher), &simulated_clock_);
  AwaitJob(store_, id, [](const JobRecord& job) { return job.progress > 0; });
  ASSERT_TRUE(store_.Cancel(id, simulated_clock_.Now()).ok());
  supervisor.OnJobCancelled(id);
  simulated_clock_.Jump(-absl::Hours(24));
  simulated_clock_.Advance(options_.grace_period);
  EXPECT_TRUE(Eventually([&] { return Exits("cancelled") == 1; }));
}

TEST_F(SupervisorFaultsTest, AClockThatIsSetForwardNeitherSilencesNorEndsAWorker) {
  options_.limits.silence = absl::Minutes(10);
  options_.limits.time = absl::Hours(10);
  const std::string id = Queue(AtTheGate());
  Start(nullptr, &simulated_clock_);
  AwaitTheGate(store_, id);
  const absl::Time before = simulated_clock_.Now();
  simulated_clock_.Jump(absl::Hours(24));
  // Renewed after the jump: the worker was looked at with the new time, and lives.
  simulated_clock_.Advance(2 * options_.heartbeat_interval);
  OpenGate();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.attempt, 1);
  EXPECT_GE(*job.end_time - before, absl::Hours(24));
}

}  // namespace
}  // namespace kprune
