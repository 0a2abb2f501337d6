// What the tests of every JobStore share: one suite, JobStoreTest, over several files. job_store_test.cc
// names the stores that it runs over, for the tests of all files; a second INSTANTIATE_TEST_SUITE_P would run
// them twice.
#ifndef KPRUNE_TESTS_SERVER_JOBS_JOB_STORE_FIXTURE_H_
#define KPRUNE_TESTS_SERVER_JOBS_JOB_STORE_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kprune/job_store.h"
#include "server/jobs/in_memory_job_store.h"
#include "server/jobs/sqlite_job_store.h"
#include "tests/support/temp_directory.h"

namespace kprune {

// The time before the first tick.
inline const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

// A job that every store accepts; two with the same `keep` have the same body.
inline NewJob SomeJob(std::string request_id = "", std::string keep = "0.5") {
  NewJob job;
  job.input.model = {{"config.json", std::string(64, 'a'), 10},
                     {"model.safetensors", std::string(64, 'b'), 20}};
  job.input.data = {{"samples.jsonl", std::string(64, 'c'), 30}};
  job.input.options_json = absl::StrCat("{\"keep_flops\": [", keep, "]}");
  job.request_id = std::move(request_id);
  job.preflight_json = R"({"family": "bert"})";
  return job;
}

// A parameter of the suite: which store, and how it is called in the tests' names.
struct StoreKind {
  std::string name;
  bool durable = false;  // SQLite in a file, else in memory

  friend std::ostream& operator<<(std::ostream& out, const StoreKind& kind) { return out << kind.name; }
};

// An empty store and a clock that moves one second a call. Not thread-safe but for the store itself.
class JobStoreTest : public ::testing::TestWithParam<StoreKind> {
 protected:
  JobStoreTest() { Open(); }

  // Opens the store again with options_ as they are now; a store in memory loses its jobs.
  void Open() {
    if (GetParam().durable) {
      store_.reset();
      auto opened = OpenSqliteJobStore(folder_.path() / "jobs.db", options_);
      ASSERT_TRUE(opened.ok()) << opened.status();
      store_ = *std::move(opened);
    } else {
      store_ = std::make_unique<InMemoryJobStore>(options_);
    }
  }

  // Creates a job that must be accepted.
  JobRecord Create(const NewJob& job = SomeJob()) {
    auto created = store_->Create(job, Tick());
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? created->job : JobRecord();
  }

  // Claims a job that must be there.
  Lease Claim(std::string_view device = "cpu") {
    auto claimed = store_->Claim(device, Tick());
    EXPECT_TRUE(claimed.ok()) << claimed.status();
    EXPECT_TRUE(claimed.ok() && claimed->job) << "nothing to claim";
    if (!claimed.ok() || !claimed->job) return {};
    return {claimed->job->id, claimed->job->lease_epoch};
  }

  JobRecord Get(const std::string& id) {
    auto job = store_->Get(id);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? *job : JobRecord();
  }

  // Of the events after the sequence number `after`, which must be without a hole.
  std::vector<std::string> Payloads(const std::string& id, int64_t after = 0) {
    auto batch = store_->ReadEvents(id, after, 1000);
    EXPECT_TRUE(batch.ok()) << batch.status();
    std::vector<std::string> payloads;
    int64_t expected = after;
    for (const JobEvent& event : batch->events) {
      EXPECT_EQ(event.sequence, ++expected) << "a hole in the sequence";
      payloads.push_back(event.payload_json);
    }
    return payloads;
  }

  absl::Time Tick() { return now_ += absl::Seconds(1); }

  TempDirectory folder_;
  JobStoreOptions options_;
  std::unique_ptr<JobStore> store_;
  absl::Time now_ = kStart;
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_SERVER_JOBS_JOB_STORE_FIXTURE_H_
