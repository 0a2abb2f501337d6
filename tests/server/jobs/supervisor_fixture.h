// What the tests of the supervisor share, over several files: a queue, a store of artifacts and real
// processes (fake_worker speaks the worker's protocol without torch), or scripted ones.
#ifndef KPRUNE_TESTS_SERVER_JOBS_SUPERVISOR_FIXTURE_H_
#define KPRUNE_TESTS_SERVER_JOBS_SUPERVISOR_FIXTURE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/artifacts/in_memory_tenant_artifacts.h"
#include "server/jobs/in_memory_job_store.h"
#include "server/jobs/process_worker_launcher.h"
#include "server/jobs/supervisor.h"
#include "server/jobs/system_clock.h"
#include "tests/fakes/recording_metrics.h"
#include "tests/fakes/simulated_clock.h"
#include "tests/support/await_job.h"
#include "tests/support/temp_directory.h"

namespace kprune {

class SupervisorTest : public ::testing::Test {
 protected:
  SupervisorTest() {
    options_.work_dir = folder_.path();
    options_.grace_period = absl::Milliseconds(200);
    options_.heartbeat_interval = absl::Milliseconds(50);
  }

  // With the real launcher and clock, unless a test brings its own.
  Supervisor& Start(std::unique_ptr<WorkerLauncher> launcher = nullptr, Clock* clock = nullptr) {
    supervisor_.reset();
    launcher_ = std::move(launcher);
    supervisor_ = std::make_unique<Supervisor>(
        SupervisorContext{store_, tenants_, references_, launcher_ != nullptr ? *launcher_ : processes_,
                          clock != nullptr ? *clock : system_clock_, metrics_, intake_},
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
  std::string Queue(const nlohmann::json& fake) {
    NewJob job;
    job.input.model = {Put("config.json", nlohmann::json{{"model_type", "bert"}, {"fake", fake}}.dump()),
                       Put("model.safetensors", "weights"), Put("1_Pooling/config.json", "{}")};
    job.input.data = {Put("samples.jsonl", "{\"text\": \"a\"}\n")};
    job.input.options_json = R"({"keep_flops": [0.25]})";
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
      const nlohmann::json payload = nlohmann::json::parse(event.payload_json);
      if (payload.contains("sublayer")) indices.push_back(payload["sublayer"].value("index", -1));
    }
    return indices;
  }

  // A number of the report of the job's last worker: "computed" and "finished" count sublayers (fake_worker).
  int Reported(const JobRecord& job, const char* field) {
    return job.result.size() < 3 ? -1 : nlohmann::json::parse(Download(job.result[2])).value(field, -1);
  }
  int Computed(const JobRecord& job) { return Reported(job, "computed"); }

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
  InMemoryTenantArtifacts tenants_;
  InMemoryArtifactStore& artifacts_ = tenants_.Store(kDefaultTenant);
  ArtifactReferences references_;
  ProcessWorkerLauncher processes_{std::filesystem::path(KPRUNE_BIN_DIR) / "fake_worker"};
  SystemClock system_clock_;
  SimulatedClock simulated_clock_;
  RecordingMetrics metrics_;
  SupervisorOptions options_;
  const ModelIntake* intake_ = nullptr;
  std::unique_ptr<WorkerLauncher> launcher_;
  std::unique_ptr<Supervisor> supervisor_;  // last: it uses what is above
};

// Writes the least that counts as a result.
inline void WriteResult(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory / "result");
  for (const char* name : {"config.json", "model.safetensors", "report.json"}) {
    std::ofstream(directory / "result" / name) << name;
  }
}

}  // namespace kprune

#endif  // KPRUNE_TESTS_SERVER_JOBS_SUPERVISOR_FIXTURE_H_
