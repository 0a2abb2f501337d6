// The queue on a disk whose calls fail, and on one that loses its power.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/jobs/sqlite_database.h"
#include "server/jobs/sqlite_job_store.h"
#include "tests/faults/faulty_vfs.h"
#include "tests/faults/length.h"
#include "tests/server/jobs/job_store_fixture.h"
#include "tests/support/process.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;

constexpr char kWarning[] = R"({"warning":{"message":"something"}})";

// What a store said is safe of a job.
struct SafeJob {
  JobState state = JobState::kQueued;
  int64_t epoch = 0;
  size_t events = 0;
};

using SafeJobs = std::map<std::string, SafeJob>;

// A queue that lives on: jobs are created, claimed, run, lost and deleted, at random. Every step that is
// acknowledged is noted; a step that fails changes nothing that was.
class QueueLife {
 public:
  QueueLife(JobStore& store, unsigned seed) : store_(store), random_(seed) {}

  const SafeJobs& safe() const { return safe_; }
  int refused() const { return refused_; }

  void Step() {
    now_ += absl::Seconds(1);
    switch (random_() % 6) {
      case 0:
      case 1:
        return Create();
      case 2:
        return Claim();
      case 3:
        return Tell();
      case 4:
        return End();
      default:
        return Delete();
    }
  }

 private:
  void Create() {
    const auto created = store_.Create(SomeJob(absl::StrCat("request-", ++requests_)), now_);
    if (Acknowledged(created.status())) safe_[created->job.id] = {JobState::kQueued, 0, 1};
  }

  void Claim() {
    const auto claimed = store_.Claim("cpu", now_);
    if (!Acknowledged(claimed.status()) || !claimed->job) return;
    const JobRecord& job = *claimed->job;
    SafeJob& safe = safe_[job.id];
    safe = {JobState::kRunning, job.lease_epoch, safe.events + 1};
    leases_.push_back({job.id, job.lease_epoch});
  }

  void Tell() {
    if (leases_.empty()) return;
    const Lease& lease = leases_[random_() % leases_.size()];
    if (Acknowledged(store_.AppendEvent(lease, kWarning, 0.5, now_))) ++safe_[lease.job_id].events;
  }

  void End() {
    if (leases_.empty()) return;
    const Lease lease = leases_.back();
    const bool succeeds = random_() % 2 == 0;
    const Manifest result = {{"report.json", std::string(64, 'd'), 5}};
    const absl::Status status =
        succeeds ? store_.Succeed(lease, result, now_).status() : store_.Requeue(lease, now_);
    if (!Acknowledged(status)) return;
    leases_.pop_back();
    SafeJob& safe = safe_[lease.job_id];
    safe.state = succeeds ? JobState::kSucceeded : JobState::kQueued;
    ++safe.events;
  }

  void Delete() {
    for (const auto& [id, safe] : safe_) {
      if (safe.state != JobState::kSucceeded) continue;
      // From here on it may be gone, also where nobody said so.
      const std::string gone = id;
      Acknowledged(store_.Delete(gone).status());
      safe_.erase(gone);
      return;
    }
  }

  bool Acknowledged(const absl::Status& status) {
    refused_ += !status.ok();
    return status.ok();
  }

  JobStore& store_;
  std::mt19937 random_;
  absl::Time now_ = kStart;
  SafeJobs safe_;
  std::vector<Lease> leases_;
  int requests_ = 0;
  int refused_ = 0;
};

class JobStoreFaultsTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(before_); }

  static std::unique_ptr<JobStore> Open(const fs::path& folder) {
    auto store = OpenSqliteJobStore(folder / "jobs.db", JobStoreOptions());
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  static std::string Integrity(const fs::path& folder) {
    auto database = SqliteDatabase::Open(folder / "jobs.db");
    if (!database.ok()) return database.status().ToString();
    SqliteQuery query = (*database)->Query("PRAGMA integrity_check");
    const absl::StatusOr<bool> row = query.Step();
    return row.ok() ? query.Text(0) : row.status().ToString();
  }

  // How much of what was acknowledged is not there: jobs, and events of jobs. A step that was under way may
  // be there or not, so jobs may be further than what is safe.
  static int Lost(JobStore& store, const SafeJobs& jobs) {
    int lost = 0;
    for (const auto& [id, safe] : jobs) {
      const auto job = store.Get(id);
      const auto events = store.ReadEvents(id, 0, 10000);
      if (!job.ok() || !events.ok()) {
        ++lost;
        continue;
      }
      lost += events->events.size() < safe.events || job->lease_epoch < safe.epoch;
      lost += events->events.size() == safe.events && job->state != safe.state;
      for (size_t i = 0; i < events->events.size(); ++i) {
        lost += events->events[i].sequence != static_cast<int64_t>(i) + 1;
      }
    }
    return lost;
  }

  const TemporaryFolder folder_;
  const fs::path before_ = folder_ / "before", after_ = folder_ / "after";
};

TEST_F(JobStoreFaultsTest, EveryCallMayFailAndNothingAcknowledgedIsLost) {
  constexpr int kSteps = 40;
  struct Case {
    const char* what;
    VfsFault fault;
  };
  for (const Case& c : std::vector<Case>{{"an I/O error once", {}},
                                         {"a full disk once", {SQLITE_FULL}},
                                         {"a short write", {SQLITE_FULL, true}},
                                         {"I/O errors from then on", {0, false, true}},
                                         {"a disk that is full from then on", {SQLITE_FULL, true, true}}}) {
    int nth = 0, refused = 0;
    const int stride = ShortOrLong(7, 1);
    for (bool failed = true; failed; nth += stride) {
      SCOPED_TRACE(::testing::Message() << c.what << " at call " << nth + 1);
      fs::remove_all(before_);
      fs::create_directories(before_);
      SafeJobs safe;
      {
        FaultyVfs vfs;
        const auto store = Open(before_);
        vfs.FailAt(nth + 1, c.fault);
        QueueLife life(*store, 1);
        for (int step = 0; step < kSteps; ++step) life.Step();
        failed = vfs.reached();
        safe = life.safe();
        refused += life.refused();
        // In the long run it works again: what failed once must not have broken the connection.
        vfs.FailAt(0, {});
        if (!c.fault.stays) {
          EXPECT_TRUE(store->Create(SomeJob("afterwards"), kStart).ok());
        }
      }
      EXPECT_EQ(Integrity(before_), "ok");
      const auto store = Open(before_);
      ASSERT_NE(store, nullptr);
      ASSERT_EQ(Lost(*store, safe), 0);
    }
    EXPECT_GT(nth, 50) << "there were calls to fail";
    EXPECT_GT(refused, 0) << "failures were told";
  }
}

class QueuePowerLossTest : public JobStoreFaultsTest {
 protected:
  // The losses over so many seeds, of which each takes the power away at another moment.
  int LossesOver(int seeds, bool syncs) {
    int losses = 0;
    size_t acknowledged = 0;
    for (int seed = 1; seed <= seeds; ++seed) {
      SCOPED_TRACE(seed);
      std::mt19937 random(static_cast<unsigned>(seed));
      fs::remove_all(before_);
      fs::create_directories(before_);
      SafeJobs safe;
      {
        FaultyVfs vfs;
        const auto store = Open(before_);
        if (!syncs) vfs.StopSyncing();
        // Some of them while the log is copied into the database.
        vfs.CutAt(1 + static_cast<int>(random() % 3000));
        QueueLife life(*store, static_cast<unsigned>(seed));
        for (int step = 0; step < 1000 && !vfs.reached(); ++step) {
          safe = life.safe();
          life.Step();
        }
        // A job that was being deleted may be gone.
        std::erase_if(safe, [&](const auto& job) { return !life.safe().contains(job.first); });
        vfs.LosePower(before_, after_, random);
      }
      acknowledged += safe.size();
      const bool whole = Integrity(after_) == "ok";
      auto store = whole ? OpenSqliteJobStore(after_ / "jobs.db", JobStoreOptions())
                         : absl::StatusOr<std::unique_ptr<JobStore>>(absl::DataLossError("damaged"));
      losses += store.ok() ? Lost(**store, safe) : static_cast<int>(safe.size()) + 1;
    }
    EXPECT_GT(acknowledged, static_cast<size_t>(seeds));
    return losses;
  }
};

TEST_F(QueuePowerLossTest, NothingAcknowledgedIsLost) {
  EXPECT_EQ(LossesOver(ShortOrLong(30, 200), true), 0);
}

// Without this the test above could not fail.
TEST_F(QueuePowerLossTest, OnADiskThatDoesNotSyncMuchIsLost) {
  const int seeds = ShortOrLong(30, 200);
  EXPECT_GT(LossesOver(seeds, false), seeds);
}

}  // namespace
}  // namespace kprune::testing
