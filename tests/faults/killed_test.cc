// The real server with workers that need no torch, both killed at random instants while clients submit jobs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/jobs/sqlite_database.h"
#include "tests/faults/job_caller.h"
#include "tests/faults/length.h"
#include "tests/faults/processes.h"
#include "tests/support/process.h"
#include "tests/support/service.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;

constexpr int kSublayers = 4;
constexpr char kFake[] = R"({"sublayers": 4, "step_ms": 10})";

class KilledTest : public ::testing::Test {
 protected:
  // Creates one job after the other, each until it is acknowledged, until the test is over.
  void Submit(const std::string& address, int submitter) {
    JobCaller caller(address);
    for (int number = 0; !over_; ++number) {
      const std::string request_id = std::to_string(submitter) + "-" + std::to_string(number);
      v1::Job job;
      while (!over_ && !caller.TryCreate(kFake, request_id, &job).ok()) {
      }
      if (job.name().empty()) return;
      {
        std::lock_guard lock(mutex_);
        acknowledged_[request_id] = job.name();
      }
      // Not faster than they run: the queue stays short.
      while (!over_) {
        const auto now = caller.Get(job.name());
        if (now && now->state() != v1::QUEUED) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }
  }

  void KillWorkers() {
    for (const pid_t worker : WorkersBelow(folder_.path())) kill(worker, SIGKILL);
  }

  // Kills the server, its worker or both, so many times.
  void Kill(int times, std::mt19937& random) {
    for (int i = 0; i < times; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 150));
      const unsigned whom = random() % 3;
      if (whom != 0) KillWorkers();
      if (whom == 1) continue;
      service_.Crash();
      service_.Start();
    }
  }

  void ExpectWholeStory(JobCaller& caller, const std::string& name, int& worn_out) {
    const auto job = caller.Get(name);
    ASSERT_TRUE(job) << name << " is lost";
    const std::vector<v1::Event> events = caller.Events(name);
    ASSERT_FALSE(events.empty()) << name;
    std::vector<int> sublayers;
    int successes = 0;
    for (size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1) << name;
      if (events[i].has_sublayer()) sublayers.push_back(events[i].sublayer().index());
      successes += events[i].state_changed().state() == v1::SUCCEEDED;
    }
    if (job->state() == v1::FAILED) {
      // Its own worker was killed three times: that is what FAILED means here.
      EXPECT_THAT(job->error().message(), ::testing::HasSubstr("crashed 3 times"));
      ++worn_out;
      return;
    }
    EXPECT_EQ(job->state(), v1::SUCCEEDED) << job->error().message();
    EXPECT_EQ(successes, 1) << name << " has two results";
    // In order; again from the first only where an attempt had to begin again, which kills one upon the other
    // can bring about. (Of a result that a later server found, the last lines may have died with the
    // earlier.)
    int begun = 0, expected = 0;
    for (const int sublayer : sublayers) {
      begun += sublayer == 0;
      if (sublayer == 0) expected = 0;
      EXPECT_EQ(sublayer, expected++) << name;
    }
    EXPECT_LE(begun, job->attempt()) << name;
    EXPECT_LE(expected, kSublayers) << name;
    begun_again_ += begun > 1;
    EXPECT_EQ(job->result_size(), 3);
    for (const v1::File& file : job->result()) {
      const fs::path object = data_ / "artifacts/objects" / file.sha256().substr(0, 2) / file.sha256();
      EXPECT_EQ(Sha256Of(ReadFile(object)), file.sha256()) << name << " " << file.name();
    }
  }

  void ExpectSoundFiles() {
    for (const auto& entry : fs::recursive_directory_iterator(data_ / "artifacts/objects")) {
      if (entry.is_regular_file()) {
        EXPECT_EQ(Sha256Of(ReadFile(entry.path())), entry.path().filename().string());
      }
    }
    auto database = SqliteDatabase::Open(data_ / "jobs.db");
    ASSERT_TRUE(database.ok()) << database.status();
    SqliteQuery query = (*database)->Query("PRAGMA integrity_check");
    ASSERT_TRUE(query.Step().ok());
    EXPECT_EQ(query.Text(0), "ok");
  }

  const TemporaryFolder folder_;
  const fs::path data_ = folder_ / "data";
  Service service_{KPRUNE_BIN_DIR, folder_.path(), {"--worker", fs::path(KPRUNE_BIN_DIR) / "fake_worker"}};

  int begun_again_ = 0;  // jobs of which an attempt lost what the ones before it had done
  std::atomic<bool> over_ = false;
  std::mutex mutex_;
  std::map<std::string, std::string> acknowledged_;  // jobs' names by request id; guarded by mutex_
};

TEST_F(KilledTest, NoAcknowledgedJobIsLostWhoeverDiesAndWhenever) {
  const int kills = ShortOrLong(12, 1000);
  service_.Start();
  std::vector<std::thread> submitters;
  for (int i = 0; i < 3; ++i) {
    submitters.emplace_back([this, address = service_.address(), i] { Submit(address, i); });
  }
  std::mt19937 random(7);
  Kill(kills, random);
  over_ = true;
  for (std::thread& submitter : submitters) submitter.join();

  JobCaller caller(service_.address());
  int worn_out = 0;
  ASSERT_GE(acknowledged_.size(), 3u);
  std::set<std::string> names;
  for (const auto& [request_id, name] : acknowledged_) {
    EXPECT_TRUE(names.insert(name).second) << "two requests have one job";
    ASSERT_TRUE(Eventually([&] {
      const auto job = caller.Get(name);
      return job && (job->state() == v1::SUCCEEDED || job->state() == v1::FAILED);
    })) << name
        << service_.Log();
    ExpectWholeStory(caller, name, worn_out);
  }
  // A call that was cut off may have made one more job, which its submitter was not told of when all was
  // over.
  const std::vector<std::string> listed = caller.ListNames();
  EXPECT_LE(listed.size(), names.size() + submitters.size());
  EXPECT_TRUE(std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return std::find(listed.begin(), listed.end(), name) != listed.end();
  }));
  EXPECT_LT(worn_out, kills / 4 + 1);
  RecordProperty("jobs", static_cast<int>(names.size()));
  RecordProperty("worn_out", worn_out);
  std::printf("%d kills, %zu jobs acknowledged, %d worn out by three kills of their worker, %d begun again\n",
              kills, names.size(), worn_out, begun_again_);
  EXPECT_EQ(service_.Drain(), 0);
  EXPECT_TRUE(WorkersBelow(folder_.path()).empty());
  ExpectSoundFiles();
}

}  // namespace
}  // namespace kprune::testing
