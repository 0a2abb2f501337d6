// What is deleted is gone from the disk: after a job has run, its data folder is searched for every byte
// string that its client sent or got.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "server/artifacts/local_tenant_artifacts.h"
#include "server/jobs/housekeeper.h"
#include "server/jobs/job_parts.h"
#include "server/jobs/process_worker_launcher.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/jobs/system_clock.h"
#include "tests/fakes/recording_metrics.h"
#include "tests/fakes/simulated_clock.h"
#include "tests/support/await_job.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing::Not;

constexpr char kResearch[] = "research";

class DeletionTest : public ::testing::Test {
 protected:
  DeletionTest() {
    LocalTenantArtifactsOptions artifact_options;
    artifact_options.data_dir = folder_.path();
    artifacts_ = LocalTenantArtifacts::Open(artifact_options).value();
    store_ = OpenSqliteJobStore(folder_.path() / "jobs.db", {}).value();
    JobPartsOptions options;
    options.preflight = {folder_.path(), absl::Minutes(1)};
    options.supervisor.work_dir = folder_.path();
    parts_ = std::make_unique<JobParts>(JobPartsContext{*store_, *artifacts_, launcher_, clock_, metrics_},
                                        options);
    EXPECT_TRUE(parts_->supervisor.Start().ok());
  }

  FileEntry Upload(const std::string& name, const std::string& bytes) {
    const fs::path file = folder_.path() / "upload";
    std::ofstream(file, std::ios::binary) << bytes;
    const Artifact artifact = artifacts_->Of(kResearch).value()->PutFile(file).value();
    fs::remove(file);
    return {name, artifact.sha256, artifact.size_bytes};
  }

  // Runs a job of the tenant to its end, whose files, options and request_id hold `secret`.
  std::string Run(const std::string& secret) {
    JobInput input;
    input.model = {Upload("config.json", R"({"model_type": "bert", "fake": {"sublayers": 2, "complain": ")" +
                                             secret + "\"}}"),
                   Upload("model.safetensors", secret + " weights")};
    input.data = {Upload("samples.jsonl", "{\"text\": \"" + secret + "\"}\n")};
    input.options_json = R"({"keep_flops": [0.5], "task": ")" + secret + "\"}";
    const auto job = parts_->manager.Create(researcher_, input, "request " + secret);
    EXPECT_TRUE(job.ok()) << job.status();
    if (!job.ok()) return "";
    EXPECT_EQ(AwaitFinished(*store_, job->id).state, JobState::kSucceeded);
    return job->id;
  }

  // The files below the data folder that hold the text.
  std::vector<std::string> FilesWith(const std::string& text) {
    std::vector<std::string> found;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder_.path())) {
      if (entry.path().string().find(text) != std::string::npos) found.push_back(entry.path());
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), {});
      if (bytes.find(text) != std::string::npos) found.push_back(entry.path());
    }
    return found;
  }

  // Everything by which the job could be found.
  std::vector<std::string> Traces(const JobRecord& job, const std::string& secret) {
    std::vector<std::string> traces = {job.id, secret};
    for (const Manifest* files : {&job.input.model, &job.input.data, &job.result}) {
      for (const FileEntry& file : *files) traces.push_back(file.sha256);
    }
    return traces;
  }

  const Caller researcher_ = {.tenant = kResearch, .role = Role::kSubmitter};
  TempDirectory folder_;
  SystemClock clock_;
  RecordingMetrics metrics_;
  ProcessWorkerLauncher launcher_{fs::path(KPRUNE_BIN_DIR) / "fake_worker"};
  std::unique_ptr<LocalTenantArtifacts> artifacts_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<JobParts> parts_;
};

TEST_F(DeletionTest, NothingOfADeletedJobIsLeftOnTheDisk) {
  const std::string id = Run("open sesame");
  const JobRecord job = store_->Get(id).value();
  ASSERT_THAT(job.result, Not(IsEmpty()));
  ASSERT_TRUE(parts_->supervisor.AwaitAttemptGone(id));  // what goes away cannot be searched
  const std::vector<std::string> traces = Traces(job, "open sesame");
  for (const std::string& trace : traces) EXPECT_THAT(FilesWith(trace), Not(IsEmpty())) << trace;
  ASSERT_TRUE(parts_->manager.Delete(researcher_, "jobs/" + id).ok());
  for (const std::string& trace : traces) EXPECT_THAT(FilesWith(trace), IsEmpty()) << trace;
  EXPECT_THAT(*artifacts_->Of(kResearch).value()->ListUnused(absl::InfiniteFuture()), IsEmpty());
}

// Also what the attempt has on the disk, which may just be about to go.
TEST_F(DeletionTest, NothingOfAJobIsLeftOnTheDiskWhenItsTimeIsOver) {
  const std::string id = Run("open sesame");
  const std::vector<std::string> traces = Traces(store_->Get(id).value(), "open sesame");
  SimulatedClock later(absl::Now() + absl::Hours(49));
  HousekeeperOptions options;
  options.keep_finished_jobs = absl::Hours(48);
  Housekeeper keeper({parts_->manager, *store_, *artifacts_, parts_->references, later}, options);
  EXPECT_EQ(keeper.TidyUp()->jobs, 1);
  for (const std::string& trace : traces) EXPECT_THAT(FilesWith(trace), IsEmpty()) << trace;
}

TEST_F(DeletionTest, WhatAnotherJobOfTheTenantHasStaysUntilThatIsDeletedToo) {
  const std::string first = Run("open sesame");
  const std::string second = Run("open barley");
  ASSERT_TRUE(parts_->supervisor.AwaitAttemptGone(second));  // what goes away cannot be searched
  ASSERT_TRUE(parts_->manager.Delete(researcher_, "jobs/" + first).ok());
  EXPECT_THAT(FilesWith("open sesame"), IsEmpty());
  EXPECT_THAT(FilesWith("open barley"), Not(IsEmpty()));
  ASSERT_TRUE(parts_->manager.Delete(researcher_, "jobs/" + second).ok());
  EXPECT_THAT(FilesWith("open barley"), IsEmpty());
}

}  // namespace
}  // namespace kprune
