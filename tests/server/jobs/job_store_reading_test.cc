// One suite for every JobStore: what the queue tells of its jobs, in lists, events, figures and
// notifications. Its stores are named in job_store_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kprune/job_store.h"
#include "tests/server/jobs/job_store_fixture.h"

namespace kprune {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_P(JobStoreTest, AThousandJobsListInPagesNewestFirstWithoutALossOrARepeat) {
  std::vector<std::string> newest_first;
  for (int i = 0; i < 1000; ++i) newest_first.insert(newest_first.begin(), Create().id);
  std::vector<std::string> listed;
  ListQuery query;
  query.page_size = 33;
  do {
    auto page = store_->List(query);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->jobs.size(), 33u);
    for (const JobRecord& job : page->jobs) listed.push_back(job.id);
    query.page_token = page->next_page_token;
    // What arrives meanwhile does not move the pages.
    if (listed.size() == 33) {
      ASSERT_TRUE(store_->Cancel(newest_first[0], Tick()).ok());
      ASSERT_TRUE(store_->Delete(newest_first[0]).ok());
      Create();
    }
  } while (!query.page_token.empty());
  EXPECT_EQ(listed, newest_first);
}

TEST_P(JobStoreTest, APageEndsBeforeTheFirstJobThatDoesNotFitButHasOneAtLeast) {
  for (int i = 0; i < 5; ++i) Create();
  ListQuery query;
  int asked = 0;
  query.fits = [&asked](const JobRecord&) { return ++asked <= 2; };
  const auto first = store_->List(query);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->jobs.size(), 2u);
  EXPECT_EQ(asked, 3) << "nothing behind the page was read";
  query.page_token = first->next_page_token;
  const auto second = store_->List(query);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->jobs.size(), 1u) << "or a large job would never be listed";
  query.page_token = second->next_page_token;
  query.fits = nullptr;
  EXPECT_EQ(store_->List(query)->jobs.size(), 2u) << "where none says what fits, the number alone counts";
}

TEST_P(JobStoreTest, ListsOnlyTheStatesAskedFor) {
  const std::string running = Create().id;
  Claim();
  const std::string queued = Create().id;
  const std::string cancelled = Create().id;
  ASSERT_TRUE(store_->Cancel(cancelled, Tick()).ok());
  auto ids = [&](std::vector<JobState> states) {
    std::vector<std::string> result;
    auto page = store_->List({50, "", std::move(states)});
    for (const JobRecord& job : page->jobs) result.push_back(job.id);
    return result;
  };
  EXPECT_THAT(ids({}), ElementsAre(cancelled, queued, running));
  EXPECT_THAT(ids({JobState::kRunning}), ElementsAre(running));
  EXPECT_THAT(ids({JobState::kQueued, JobState::kCancelled}), ElementsAre(cancelled, queued));
  EXPECT_THAT(ids({JobState::kFailed}), IsEmpty());
}

TEST_P(JobStoreTest, APageThatIsExactlyFullIsTheLast) {
  Create();
  Create();
  auto page = store_->List({2, "", {}});
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->jobs.size(), 2u);
  EXPECT_EQ(page->next_page_token, "");
}

TEST_P(JobStoreTest, AMalformedPageTokenIsRefused) {
  for (const char* token : {"x", "-1", "0", "1x", "99999999999999999999", " 1"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(store_->List({10, token, {}}).status())) << token;
  }
}

TEST_P(JobStoreTest, EventsAreReadFromWhereTheReaderIs) {
  const std::string id = Create().id;
  const Lease lease = Claim();
  for (int i = 3; i <= 10; ++i) {
    ASSERT_TRUE(store_->AppendEvent(lease, absl::StrCat("{\"n\":", i, "}"), std::nullopt, Tick()).ok());
  }
  auto batch = store_->ReadEvents(id, 4, 3);
  ASSERT_TRUE(batch.ok());
  ASSERT_EQ(batch->events.size(), 3u);
  EXPECT_EQ(batch->events[0].sequence, 5);
  EXPECT_EQ(batch->events[2].payload_json, "{\"n\":7}");
  EXPECT_FALSE(batch->end);
  ASSERT_TRUE(store_->Cancel(id, Tick()).ok());
  EXPECT_FALSE(store_->ReadEvents(id, 8, 2)->end) << "event 11 is still to come";
  EXPECT_TRUE(store_->ReadEvents(id, 8, 3)->end);
  EXPECT_TRUE(store_->ReadEvents(id, 11, 3)->end);
  EXPECT_TRUE(store_->ReadEvents(id, 5000, 3)->events.empty());
}

TEST_P(JobStoreTest, RemembersTheWorkerOfARunningJob) {
  Create();
  const Lease lease = Claim();
  ASSERT_TRUE(store_->SetWorker(lease, {123, 456, "boot"}).ok());
  auto running = store_->ListRunning();
  ASSERT_TRUE(running.ok());
  ASSERT_EQ(running->size(), 1u);
  EXPECT_EQ((*running)[0].lease.job_id, lease.job_id);
  EXPECT_EQ((*running)[0].lease.epoch, lease.epoch);
  EXPECT_EQ((*running)[0].worker, (ProcessIdentity{123, 456, "boot"}));
  ASSERT_TRUE(store_->Requeue(lease, Tick()).ok());
  Claim();
  EXPECT_EQ((*store_->ListRunning())[0].worker, ProcessIdentity());
}

TEST_P(JobStoreTest, StatsCountStatesAndTheLongestWaits) {
  EXPECT_THAT(store_->Stats()->oldest_queued, testing::Each(std::nullopt));
  Create();
  Claim();
  Create();
  const absl::Time oldest = now_;
  Create();
  auto stats = store_->Stats();
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->jobs[static_cast<int>(JobState::kQueued)], 2);
  EXPECT_EQ(stats->jobs[static_cast<int>(JobState::kRunning)], 1);
  EXPECT_EQ(stats->jobs[static_cast<int>(JobState::kFailed)], 0);
  EXPECT_EQ(stats->backlog(), 3);
  EXPECT_THAT(stats->oldest_queued, testing::ElementsAre(std::nullopt, oldest, std::nullopt));
  EXPECT_THAT(stats->queue_id, testing::MatchesRegex("[0-9a-f]{16}"));
  EXPECT_EQ(store_->Stats()->queue_id, stats->queue_id);
}

TEST_P(JobStoreTest, StatsTellTheLongestWaitOfEachPriority) {
  NewJob job = SomeJob();
  std::vector<absl::Time> oldest;
  for (const int priority : {7, 1, 0, -1, -100}) {
    job.input.priority = priority;
    oldest.push_back(Tick());
    ASSERT_TRUE(store_->Create(job, now_).ok());
  }
  EXPECT_THAT(store_->Stats()->oldest_queued, testing::ElementsAre(oldest[0], oldest[2], oldest[3]));
}

TEST_P(JobStoreTest, SubscribersHearOfTheirJobUntilTheyLeave) {
  const std::string mine = Create().id;
  const std::string other = Create().id;
  int of_mine = 0, of_all = 0;
  auto all = store_->Subscribe("", [&] { ++of_all; });
  auto subscription = store_->Subscribe(mine, [&] {
    ++of_mine;
    // No lock is held: a subscriber may ask.
    EXPECT_TRUE(store_->Get(mine).ok());
  });
  const Lease lease = Claim();
  ASSERT_TRUE(store_->AppendEvent(lease, "{}", std::nullopt, Tick()).ok());
  ASSERT_TRUE(store_->Cancel(other, Tick()).ok());
  EXPECT_EQ(of_mine, 2);
  EXPECT_EQ(of_all, 3);
  subscription.reset();
  ASSERT_TRUE(store_->Fail(lease, {"INTERNAL", "x"}, Tick()).ok());
  EXPECT_EQ(of_mine, 2);
  EXPECT_EQ(of_all, 4);
  ASSERT_FALSE(store_->Cancel(other, Tick()).ok());
  EXPECT_EQ(of_all, 4) << "a refused change is none";
}

}  // namespace
}  // namespace kprune
