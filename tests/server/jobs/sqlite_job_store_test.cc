// What only the database can promise; what every store promises is in job_store_test.cc.
#include "server/jobs/sqlite_job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "server/jobs/sqlite_database.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using testing::HasSubstr;

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

class SqliteJobStoreTest : public testing::Test {
 protected:
  std::unique_ptr<JobStore> Open() {
    auto store = OpenSqliteJobStore(file_, {});
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  NewJob SomeJob() {
    NewJob job;
    job.input.model = {{"config.json", std::string(64, 'a'), 10}};
    job.request_id = "request";
    return job;
  }

  // The file that a server of version 4 left, with what came since the version that `sql` goes back to taken
  // out again.
  void StartFromVersion4(const std::string& sql) {
    std::filesystem::copy_file(kVersion4, file_);
    auto database = SqliteDatabase::Open(file_);
    ASSERT_TRUE(database.ok()) << database.status();
    const absl::Status executed = (*database)->Execute(sql.c_str());
    ASSERT_TRUE(executed.ok()) << executed;
  }

  // previous_versions/jobs_v4.db was written by the last server of version 4, which was killed while it ran a
  // job: from the oldest, one that succeeded, one that failed, one that ran and one that waited.
  void ExpectItGoesOn() {
    auto store = Open();
    ASSERT_NE(store, nullptr);
    ASSERT_EQ(store->ListRunning()->size(), 1u);
    EXPECT_TRUE(store->Requeue((*store->ListRunning())[0].lease, kStart).ok());
    EXPECT_EQ(store->Claim("cpu", kStart)->job->id, kRan);
    const absl::StatusOr<ClaimResult> claimed = store->Claim("cpu", kStart);
    EXPECT_EQ(claimed->job->id, kWaited);
    EXPECT_EQ(store->EndEarly(kWaited, kStart)->ending_early, true);
  }

  inline static const std::filesystem::path kVersion4 =
      std::filesystem::path(KPRUNE_SOURCE_DIR) / "tests/server/jobs/previous_versions/jobs_v4.db";
  inline static const std::string kSucceeded = "957c9bcb491de211", kFailed = "8f6f2c59a3b9be20",
                                  kRan = "09293b0fa8bf99b8", kWaited = "8e15d87f9a0d0b5d";

  TempDirectory folder_;
  const std::filesystem::path file_ = folder_.path() / "jobs.db";
};

TEST_F(SqliteJobStoreTest, Examples) {
  std::string id;
  {
    auto store = Open();
    id = store->Create(SomeJob(), kStart)->job.id;
  }
  // A restarted server finds its queue.
  auto store = Open();
  EXPECT_EQ(store->Get(id)->input, SomeJob().input);
  EXPECT_EQ(store->Claim("cpu", kStart)->job->id, id);
}

TEST_F(SqliteJobStoreTest, ARunningJobItsWorkerAndItsEventsSurviveAKilledServer) {
  int to_parent[2];
  ASSERT_EQ(pipe(to_parent), 0);
  const pid_t server = fork();
  if (server == 0) {
    auto opened = OpenSqliteJobStore(file_, {});
    if (!opened.ok()) _exit(1);
    JobStore& store = **opened;
    const std::string id = store.Create(SomeJob(), kStart)->job.id;
    const Lease lease = {id, store.Claim("cpu", kStart)->job->lease_epoch};
    const bool done = store.SetWorker(lease, {123, 456, "boot"}).ok() &&
                      store.AppendEvent(lease, R"({"warning":{"message":"last words"}})", 0.75, kStart).ok();
    if (!done || write(to_parent[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  close(to_parent[1]);
  char told;
  ASSERT_EQ(read(to_parent[0], &told, 1), 1);
  close(to_parent[0]);
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);

  auto store = Open();
  auto running = store->ListRunning();
  ASSERT_EQ(running->size(), 1u);
  EXPECT_EQ((*running)[0].worker, (ProcessIdentity{123, 456, "boot"}));
  const std::string id = (*running)[0].lease.job_id;
  EXPECT_EQ(store->Get(id)->progress, 0.75);
  auto batch = store->ReadEvents(id, 0, 100);
  ASSERT_EQ(batch->events.size(), 3u);
  EXPECT_THAT(batch->events[2].payload_json, HasSubstr("last words"));
  ASSERT_TRUE(store->Requeue((*running)[0].lease, kStart).ok());
  EXPECT_EQ(store->Get(id)->state, JobState::kQueued);
}

TEST_F(SqliteJobStoreTest, ASecondServerOnTheSameFileIsRefused) {
  auto store = Open();
  // Another process, since the lock is one between processes.
  const pid_t other = fork();
  if (other == 0) {
    auto second = OpenSqliteJobStore(file_, {});
    const bool refused =
        absl::IsUnavailable(second.status()) &&
        std::string(second.status().message()).find("only one kprune-server") != std::string::npos;
    _exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(store->Create(SomeJob(), kStart).ok());
}

TEST_F(SqliteJobStoreTest, AFileThatIsNoDatabaseIsDataLoss) {
  std::ofstream(file_) << std::string(5000, 'x');
  auto store = OpenSqliteJobStore(file_, {});
  EXPECT_TRUE(absl::IsDataLoss(store.status())) << store.status();
  EXPECT_THAT(std::string(store.status().message()), HasSubstr(file_.string()));
}

TEST_F(SqliteJobStoreTest, AMissingFolderIsNamed) {
  auto store = OpenSqliteJobStore(folder_.path() / "nowhere" / "jobs.db", {});
  EXPECT_TRUE(absl::IsUnavailable(store.status())) << store.status();
}

TEST_F(SqliteJobStoreTest, ADatabaseOfTheFourthVersionGoesOnWithAllThatIsInIt) {
  StartFromVersion4("");
  {
    auto store = Open();
    ASSERT_NE(store, nullptr);
    ListQuery everything;
    const auto page = store->List(everything);
    ASSERT_EQ(page->jobs.size(), 4u);
    std::vector<std::string> ids;
    for (const JobRecord& job : page->jobs) {
      ids.push_back(job.id);
      EXPECT_EQ(job.tenant, kDefaultTenant);
      EXPECT_EQ(job.input.model.size(), 2u);
      EXPECT_EQ(store->FindByRequestId(kDefaultTenant, job.request_id, job.input)->value().id, job.id);
    }
    EXPECT_EQ(ids, (std::vector<std::string>{kWaited, kRan, kFailed, kSucceeded}));
    EXPECT_EQ(page->jobs[3].result.size(), 3u);
    EXPECT_EQ(page->jobs[2].error, (JobError{"INVALID_ARGUMENT", "Line 3 is empty."}));
    EXPECT_TRUE(store->ReadEvents(kSucceeded, 0, 100)->end);
    size_t events = 0;
    for (const std::string& id : ids) events += store->ReadEvents(id, 0, 100)->events.size();
    EXPECT_EQ(events, 23u) << "the table that they refer to was made anew";
    EXPECT_EQ(store->Stats()->jobs, (std::array<int64_t, 6>{1, 1, 0, 1, 1, 0}));
    EXPECT_THAT(store->Stats()->queue_id, ::testing::MatchesRegex("[0-9a-f]{16}"));
    // What came since works, too.
    EXPECT_EQ(store->Delete(kSucceeded)->unreferenced.size(), 3u);
    NewJob job = SomeJob();
    job.tenant = "research";
    const std::string id = store->Create(job, kStart)->job.id;
    EXPECT_EQ(store->Claim("cpu", kStart)->job->id, id) << "of the default tenant one runs already";
    EXPECT_TRUE(store->Cancel(id, kStart).ok());
  }
  ExpectItGoesOn();
}

TEST_F(SqliteJobStoreTest, ADatabaseWhoseMigrationFailsIsLeftAsItWas) {
  StartFromVersion4("CREATE TABLE device_use (in_the_way INTEGER)");
  EXPECT_FALSE(OpenSqliteJobStore(file_, {}).ok());
  {
    auto database = SqliteDatabase::Open(file_);
    ASSERT_TRUE((*database)->Execute("DROP TABLE device_use").ok());
  }
  ExpectItGoesOn();
}

TEST_F(SqliteJobStoreTest, ADatabaseOfTheThirdVersionGoesOn) {
  StartFromVersion4("ALTER TABLE jobs DROP COLUMN ending_early; PRAGMA user_version = 3;");
  ExpectItGoesOn();
}

TEST_F(SqliteJobStoreTest, ADatabaseOfTheSecondVersionGoesOn) {
  StartFromVersion4(
      "DROP INDEX jobs_waiting; DROP INDEX jobs_by_end; ALTER TABLE jobs DROP COLUMN ending_early;"
      "ALTER TABLE jobs DROP COLUMN priority; PRAGMA user_version = 2;");
  ExpectItGoesOn();
}

TEST_F(SqliteJobStoreTest, ADatabaseOfTheFirstVersionGoesOn) {
  StartFromVersion4(
      "DROP INDEX jobs_waiting; DROP INDEX jobs_by_end; ALTER TABLE jobs DROP COLUMN ending_early;"
      "ALTER TABLE jobs DROP COLUMN priority; ALTER TABLE jobs DROP COLUMN model_uri; PRAGMA user_version = "
      "1;");
  ExpectItGoesOn();
}

TEST_F(SqliteJobStoreTest, ADatabaseOfANewerVersionIsLeftAlone) {
  Open().reset();
  {
    // user_version: four bytes, big endian, at 60.
    std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60);
    file.write("\0\0\0\x63", 4);
  }
  auto store = OpenSqliteJobStore(file_, {});
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status())) << store.status();
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("version 99"));
}

}  // namespace
}  // namespace kprune
