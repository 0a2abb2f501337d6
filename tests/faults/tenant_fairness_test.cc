// Two tenants come to a server that is busy with the thousand jobs of a third. Prints when theirs started and
// what a claim costs.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/artifacts/in_memory_tenant_artifacts.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/jobs/supervisor.h"
#include "server/jobs/system_clock.h"
#include "tests/fakes/fake_tenants.h"
#include "tests/fakes/fake_worker_launcher.h"
#include "tests/fakes/recording_metrics.h"
#include "tests/faults/faulty_vfs.h"
#include "tests/faults/length.h"
#include "tests/server/jobs/supervisor_fixture.h"
#include "tests/support/process.h"

namespace kprune::testing {
namespace {

class TenantFairnessTest : public ::testing::Test {
 protected:
  TenantFairnessTest() {
    JobStoreOptions options;
    options.max_queued_jobs = 20000;
    options.tenants = &limits_;
    store_ = OpenSqliteJobStore(folder_.path() / "jobs.db", options).value();
  }

  // Queues a job of the tenant and returns its id.
  std::string Queue(const std::string& tenant, int priority = 0) {
    InMemoryArtifactStore& artifacts = artifacts_.Store(tenant);
    NewJob job;
    job.tenant = tenant;
    job.input.priority = priority;
    for (const char* name : {"config.json", "model.safetensors"}) {
      const Artifact artifact = artifacts.Put(name);
      job.input.model.push_back({name, artifact.sha256, artifact.size_bytes});
    }
    return store_->Create(job, clock_.Now()).value().job.id;
  }

  // Who starts, in order: an entry a worker. `on_start` is called with their number.
  void Start(const std::vector<std::string>& devices, const std::function<void(int)>& on_start) {
    launcher_ = std::make_unique<FakeWorkerLauncher>(
        [this, on_start](const LaunchRequest& request) -> absl::StatusOr<FakeWorkerScript> {
          const std::string id = request.job_directory.parent_path().filename();
          const std::string tenant = store_->Get(id).value().tenant;
          int started = 0;
          {
            std::lock_guard lock(mutex_);
            starts_.push_back(tenant);
            started = static_cast<int>(starts_.size());
          }
          on_start(started);
          return FakeWorkerScript{.work = WriteResult};
        });
    SupervisorOptions options;
    options.work_dir = folder_.path();
    options.devices = devices;
    supervisor_ = std::make_unique<Supervisor>(
        SupervisorContext{*store_, artifacts_, references_, *launcher_, clock_, metrics_}, options);
    ASSERT_TRUE(supervisor_->Start().ok());
  }

  // The number of the tenant's first start after that of number `after`; 0 when it has none.
  int FirstStart(const std::string& tenant, int after = 0) {
    std::lock_guard lock(mutex_);
    for (size_t i = after; i < starts_.size(); ++i) {
      if (starts_[i] == tenant) return static_cast<int>(i) + 1;
    }
    return 0;
  }

  TempDirectory folder_;
  FaultyVfs without_syncs_;  // which would take most of the time
  FakeTenants limits_;
  SystemClock clock_;
  RecordingMetrics metrics_;
  InMemoryTenantArtifacts artifacts_;
  ArtifactReferences references_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<FakeWorkerLauncher> launcher_;
  std::mutex mutex_;
  std::vector<std::string> starts_;         // guarded by mutex_
  std::unique_ptr<Supervisor> supervisor_;  // last: it uses what is above
};

TEST_F(TenantFairnessTest, OneJobOfANewTenantStartsWithinAsManySlotsAsThereAreTenants) {
  constexpr int kBusy = 20;
  const int queued = ShortOrLong(1000, 10000);
  for (int i = 0; i < queued; ++i) Queue("a", /*priority=*/100);
  const absl::Time begin = absl::Now();
  std::string b, c;
  absl::Time came;
  int64_t waiting = 0;
  Start({"cpu", "cuda:0"}, [&](int started) {
    if (started != kBusy) return;
    came = absl::Now();
    waiting = store_->Stats().value().jobs[static_cast<size_t>(JobState::kQueued)];
    b = Queue("b", /*priority=*/-100);
    c = Queue("c", /*priority=*/-100);
  });
  // Between the call and the next claims there are those that were on their way: one a device at most.
  EXPECT_TRUE(Eventually([&] { return FirstStart("b") > 0 && FirstStart("c") > 0; }));
  supervisor_->Drain();
  const int b_waited = FirstStart("b") - kBusy, c_waited = FirstStart("c") - kBusy;
  std::printf(
      "a has %d jobs waiting, 2 devices: b started as number %d and c as number %d from when they came, "
      "after "
      "%.1f and %.1f ms; the %d before them took %.1f ms\n",
      static_cast<int>(waiting), b_waited, c_waited,
      absl::ToDoubleMilliseconds(*store_->Get(b)->start_time - came),
      absl::ToDoubleMilliseconds(*store_->Get(c)->start_time - came), kBusy,
      absl::ToDoubleMilliseconds(came - begin));
  EXPECT_GE(waiting, queued - kBusy - 2);
  EXPECT_LE(b_waited, 3);
  EXPECT_LE(c_waited, 3);
}

TEST_F(TenantFairnessTest, ClaimsAreQuickHoweverManyJobsAndTenantsWait) {
  const int queued = ShortOrLong(1000, 10000);
  for (int i = 0; i < queued; ++i) Queue("a", i % 5);
  for (int i = 0; i < 50; ++i) Queue(absl::StrCat("tenant-", i));
  std::vector<std::string> served;
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 52; ++i) {
    const auto claimed = store_->Claim("cpu", clock_.Now());
    ASSERT_TRUE(claimed.ok() && claimed->job);
    served.push_back(claimed->job->tenant);
  }
  std::printf("%d jobs of 51 tenants wait: %.2f ms a claim\n", queued + 50,
              absl::ToDoubleMilliseconds(absl::Now() - begin) / 52);
  EXPECT_EQ(std::count(served.begin(), served.end(), "a"), 2) << "the first and the last";
}

TEST_F(TenantFairnessTest, QuotasHoldWhileAThousandJobsWait) {
  limits_.Set("a", {.max_queued_jobs = 1000, .max_running_jobs = 1});
  for (int i = 0; i < 1000; ++i) Queue("a");
  NewJob one_more;
  one_more.tenant = "a";
  const absl::Status refused = store_->Create(one_more, clock_.Now()).status();
  EXPECT_EQ(
      refused.message(),
      "Tenant a has 1000 jobs waiting and may have 1000; try again when some have run, or cancel some.");
  std::atomic<int64_t> most = 0;
  Start({"cpu", "cuda:0", "cuda:1"}, [&](int) {
    const int64_t running = store_->Stats().value().jobs[static_cast<size_t>(JobState::kRunning)];
    if (running > most) most = running;
  });
  EXPECT_TRUE(Eventually([&] { return FirstStart("a", 50) > 0; }));
  supervisor_->Drain();
  EXPECT_EQ(most, 1) << "three devices are free";
  const double seconds = store_->DeviceSeconds("a", clock_.Now()).value();
  std::printf("more than 50 jobs of a ran one at a time, and used %.3f device seconds\n", seconds);
  EXPECT_GT(seconds, 0);
  // From now on a has used up what it may.
  limits_.Set("a", {.max_device_seconds = seconds / 2});
  EXPECT_TRUE(absl::IsResourceExhausted(store_->Create(one_more, clock_.Now()).status()));
  EXPECT_FALSE(store_->Claim("cpu", clock_.Now())->job);
}

}  // namespace
}  // namespace kprune::testing
