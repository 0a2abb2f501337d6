// What only the database can promise; what every store promises is in job_store_test.cc.
#include "server/jobs/sqlite_job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

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

  // A database with a job, turned back by `sql` into what an older version left; returns the job's id.
  std::string WriteOlderDatabase(const char* sql) {
    const std::string id = Open()->Create(SomeJob(), kStart)->job.id;
    auto database = SqliteDatabase::Open(file_);
    EXPECT_TRUE(database.ok()) << database.status();
    if (database.ok()) EXPECT_TRUE((*database)->Execute(sql).ok());
    return id;
  }

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

TEST_F(SqliteJobStoreTest, ADatabaseOfTheFirstVersionGoesOn) {
  const std::string id = WriteOlderDatabase(
      "DROP INDEX jobs_waiting; DROP INDEX jobs_by_end; ALTER TABLE jobs DROP COLUMN priority;"
      "ALTER TABLE jobs DROP COLUMN model_uri; PRAGMA user_version = 1;");
  auto store = Open();
  EXPECT_EQ(store->Get(id)->input, SomeJob().input);
  EXPECT_EQ(store->Claim("cpu", kStart)->job->id, id);
}

TEST_F(SqliteJobStoreTest, ADatabaseOfTheSecondVersionGoesOn) {
  const std::string id = WriteOlderDatabase(
      "DROP INDEX jobs_waiting; DROP INDEX jobs_by_end; ALTER TABLE jobs DROP COLUMN priority;"
      "PRAGMA user_version = 2;");
  EXPECT_EQ(Open()->Get(id)->input, SomeJob().input);
}

TEST_F(SqliteJobStoreTest, ADatabaseOfANewerVersionIsLeftAlone) {
  Open().reset();
  {
    // user_version: four bytes, big endian, at 60.
    std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60);
    file.write("\0\0\0\7", 4);
  }
  auto store = OpenSqliteJobStore(file_, {});
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status())) << store.status();
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("version 7"));
}

}  // namespace
}  // namespace kprune
