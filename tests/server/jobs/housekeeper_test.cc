#include "server/jobs/housekeeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "server/artifacts/in_memory_tenant_artifacts.h"
#include "server/jobs/in_memory_job_store.h"
#include "server/jobs/process_worker_launcher.h"
#include "tests/fakes/recording_metrics.h"
#include "tests/fakes/simulated_clock.h"
#include "tests/support/process.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

class HousekeeperTest : public ::testing::Test {
 protected:
  HousekeeperTest() {
    options_.keep_uploads = absl::Hours(24);
    options_.keep_finished_jobs = absl::Hours(48);
  }

  Housekeeper& keeper() {
    if (!keeper_) {
      keeper_ = std::make_unique<Housekeeper>(
          HousekeeperContext{manager_, store_, tenants_, references_, clock_}, options_);
    }
    return *keeper_;
  }

  // A job with one file of these bytes.
  std::string Create(const std::string& bytes) {
    const Artifact artifact = artifacts_.Put(bytes);
    NewJob job;
    job.input.model = {{"config.json", artifact.sha256, artifact.size_bytes}};
    return store_.Create(job, clock_.Now())->job.id;
  }

  bool IsStored(const std::string& sha256) { return artifacts_.FindMissing({sha256})->empty(); }

  TempDirectory folder_;
  // Artifacts have their age from the machine's clock.
  SimulatedClock clock_{absl::Now()};
  InMemoryJobStore store_{JobStoreOptions()};
  InMemoryTenantArtifacts tenants_;
  InMemoryArtifactStore& artifacts_ = tenants_.Store(kDefaultTenant);
  ArtifactReferences references_;
  ProcessWorkerLauncher launcher_{"no worker is started"};
  RecordingMetrics metrics_;
  PreflightRunner preflight_{launcher_, clock_, {folder_.path()}};
  Supervisor supervisor_{{store_, tenants_, references_, launcher_, clock_, metrics_}, {folder_.path()}};
  JobManager manager_{{store_, tenants_, references_, preflight_, supervisor_, clock_, metrics_}, {}};
  HousekeeperOptions options_;
  std::unique_ptr<Housekeeper> keeper_;
};

TEST_F(HousekeeperTest, Examples) {
  const std::string job = Create("of a job");
  const std::string unreferenced = artifacts_.Put("of no job").sha256;
  ASSERT_TRUE(artifacts_.BeginUpload(unreferenced.substr(1) + "0", 10, 0).value()->Append("half").ok());
  ASSERT_TRUE(store_.Cancel(job, clock_.Now()).ok());

  clock_.Advance(absl::Hours(23));
  const auto early = keeper().TidyUp();
  EXPECT_EQ(early->jobs + early->artifacts + early->uploads, 0);

  clock_.Advance(absl::Hours(2));
  const auto later = keeper().TidyUp();
  EXPECT_EQ(later->uploads, 1);
  EXPECT_EQ(later->artifacts, 1);
  EXPECT_EQ(later->jobs, 0);
  EXPECT_TRUE(absl::IsNotFound(artifacts_.OpenForRead(unreferenced, 0).status()));

  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(keeper().TidyUp()->jobs, 1);
  EXPECT_TRUE(absl::IsNotFound(store_.Get(job).status()));
  EXPECT_TRUE(artifacts_.ListUnused(absl::InfiniteFuture())->empty()) << "its file is gone with it";
}

TEST_F(HousekeeperTest, WhatAJobHasStaysHoweverOldItIs) {
  Create("of a job that waits");
  clock_.Advance(absl::Hours(24 * 365));
  const auto removed = keeper().TidyUp();
  EXPECT_EQ(removed->jobs + removed->artifacts, 0);
  EXPECT_EQ(artifacts_.ListUnused(absl::InfiniteFuture())->size(), 1u);
}

TEST_F(HousekeeperTest, EveryTenantsJobsAndArtifactsAreTidiedUp) {
  InMemoryArtifactStore& theirs = tenants_.Store("research");
  // What the default tenant's job refers to is of no use to this one.
  Create("of both");
  const std::string same = theirs.Put("of both").sha256;
  NewJob job;
  const Artifact file = theirs.Put("of a job");
  job.input.model = {{"config.json", file.sha256, file.size_bytes}};
  job.tenant = "research";
  const std::string id = store_.Create(job, clock_.Now())->job.id;
  ASSERT_TRUE(store_.Cancel(id, clock_.Now()).ok());
  clock_.Advance(absl::Hours(25));
  EXPECT_EQ(keeper().TidyUp()->artifacts, 1);
  EXPECT_TRUE(IsStored(same)) << "the default tenant's";
  EXPECT_THAT(*theirs.ListUnused(absl::InfiniteFuture()), ::testing::ElementsAre(file.sha256));
  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(keeper().TidyUp()->jobs, 1);
  EXPECT_TRUE(theirs.ListUnused(absl::InfiniteFuture())->empty());
}

TEST_F(HousekeeperTest, WithoutLimitsNothingIsRemoved) {
  options_.keep_uploads = options_.keep_finished_jobs = absl::ZeroDuration();
  ASSERT_TRUE(store_.Cancel(Create("of a job"), clock_.Now()).ok());
  artifacts_.Put("of no job");
  clock_.Advance(absl::Hours(24 * 365));
  const auto removed = keeper().TidyUp();
  EXPECT_EQ(removed->jobs + removed->artifacts, 0);
}

TEST_F(HousekeeperTest, AClockThatWasSetAgesNothing) {
  ASSERT_TRUE(store_.Cancel(Create("of a job"), clock_.Now()).ok());
  artifacts_.Put("of no job");
  ASSERT_TRUE(keeper().TidyUp().ok());
  clock_.Jump(absl::Hours(24 * 365));
  const auto jumped = keeper().TidyUp();
  EXPECT_EQ(jumped->jobs + jumped->artifacts, 0);
  clock_.Jump(-absl::Hours(24 * 365));
  const auto back = keeper().TidyUp();
  EXPECT_EQ(back->jobs + back->artifacts, 0);
  clock_.Advance(absl::Hours(50));
  const auto old = keeper().TidyUp();
  EXPECT_EQ(old->jobs, 1) << "time that passed does";
}

TEST_F(HousekeeperTest, ItTidiesUpByItselfOnceItIsStarted) {
  const std::string unreferenced = artifacts_.Put("of no job").sha256;
  clock_.Advance(absl::Hours(25));
  keeper().Start();
  const auto gone = [&] { return artifacts_.ListUnused(absl::InfiniteFuture())->empty(); };
  EXPECT_TRUE(testing::Eventually(gone));
}

}  // namespace
}  // namespace kprune
