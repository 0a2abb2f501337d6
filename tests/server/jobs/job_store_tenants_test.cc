// What every JobStore promises of tenants: nobody's jobs delay, hide or keep from deletion those of another,
// and nobody uses more than its limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "server/quota.h"
#include "tests/fakes/fake_tenants.h"
#include "tests/server/jobs/job_store_fixture.h"

namespace kprune {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TenantsTest : public JobStoreTest {
 protected:
  TenantsTest() {
    options_.tenants = &tenants_;
    Open();
  }

  JobRecord CreateFor(const std::string& tenant, int priority = 0, const std::string& request_id = "") {
    NewJob job = SomeJob(request_id);
    job.tenant = tenant;
    job.input.priority = priority;
    return Create(job);
  }

  // Whose job is claimed; "" where none is.
  std::string Serve(std::string_view device = "cpu") {
    const auto claimed = store_->Claim(device, Tick());
    EXPECT_TRUE(claimed.ok()) << claimed.status();
    return claimed.ok() && claimed->job ? claimed->job->tenant : "";
  }

  absl::Status CreateStatus(const std::string& tenant) {
    NewJob job = SomeJob();
    job.tenant = tenant;
    return store_->Create(job, Tick()).status();
  }

  FakeTenants tenants_;
};

INSTANTIATE_TEST_SUITE_P(Stores, TenantsTest,
                         testing::Values(StoreKind{"InMemory", false}, StoreKind{"Sqlite", true}),
                         [](const auto& info) { return info.param.name; });

TEST_P(TenantsTest, Examples) {
  // One tenant has many jobs waiting, and every one of them is urgent.
  for (int i = 0; i < 5; ++i) CreateFor("a", /*priority=*/100);
  CreateFor("b");
  CreateFor("c", -100);
  // The others have their turn before it has its second.
  EXPECT_EQ(Serve(), "a");
  EXPECT_EQ(Serve(), "b");
  EXPECT_EQ(Serve(), "c");
  EXPECT_EQ(Serve(), "a");
}

TEST_P(TenantsTest, OfTenantsWithAsManyRunningJobsTheOneServedLongestAgoIsNext) {
  std::vector<std::string> served;
  for (const char* tenant : {"a", "a", "a", "b", "b", "b"}) CreateFor(tenant);
  for (int i = 0; i < 6; ++i) {
    const Lease lease = Claim();
    served.push_back(Get(lease.job_id).tenant);
    // None runs when the next is claimed.
    ASSERT_TRUE(store_->Fail(lease, {"INTERNAL", "Why."}, Tick()).ok());
  }
  EXPECT_THAT(served, ElementsAre("a", "b", "a", "b", "a", "b"));
}

TEST_P(TenantsTest, WhoseTurnItIsOutlivesTheServer) {
  if (!GetParam().durable) GTEST_SKIP() << "nothing outlives it in memory";
  for (const char* tenant : {"a", "a", "b"}) CreateFor(tenant);
  ASSERT_TRUE(store_->Fail(Claim(), {"INTERNAL", "Why."}, Tick()).ok());
  Open();
  EXPECT_EQ(Serve(), "b");
}

TEST_P(TenantsTest, WithinATenantPriorityAndAgeCountAsEver) {
  const std::string low = CreateFor("a", -1).id, first = CreateFor("a").id, second = CreateFor("a").id;
  const std::string high = CreateFor("a", 1).id;
  for (const std::string& expected : {high, first, second, low}) EXPECT_EQ(Claim().job_id, expected);
}

TEST_P(TenantsTest, ATenantWhoseJobsAreForAnotherDeviceKeepsNobodyWaiting) {
  NewJob job = SomeJob();
  job.tenant = "a";
  job.input.device = "cuda:0";
  Create(job);
  CreateFor("b");
  EXPECT_EQ(Serve("cpu"), "b");
  EXPECT_EQ(Serve("cpu"), "");
  EXPECT_EQ(Serve("cuda:0"), "a");
}

TEST_P(TenantsTest, AtItsLimitOfRunningJobsATenantWaitsAndOthersDoNot) {
  tenants_.Set("a", {.max_running_jobs = 1});
  for (const char* tenant : {"a", "a", "b", "b"}) CreateFor(tenant);
  const Lease running = Claim();
  EXPECT_EQ(Get(running.job_id).tenant, "a");
  EXPECT_EQ(Serve(), "b");
  EXPECT_EQ(Serve(), "b");
  const auto none = store_->Claim("cpu", Tick());
  EXPECT_FALSE(none->job);
  EXPECT_EQ(none->retry_at, now_ + absl::Minutes(1)) << "its limits may be raised";
  ASSERT_TRUE(store_->Fail(running, {"INTERNAL", "Why."}, Tick()).ok());
  EXPECT_EQ(Serve(), "a");
}

TEST_P(TenantsTest, ATenantAtALimitIsNotAskedForAgainAtOnceWhenItsBackOffIsOver) {
  tenants_.Set("a", {.max_running_jobs = 1});
  CreateFor("a");
  ASSERT_TRUE(store_->RecordCrash(Claim(), {"INTERNAL", "crash"}, Tick()).ok());
  CreateFor("a");
  Claim();
  now_ += absl::Hours(1);
  EXPECT_EQ(store_->Claim("cpu", now_)->retry_at, now_ + absl::Minutes(1));
}

TEST_P(TenantsTest, ATenantsQueueIsItsOwn) {
  options_.max_queued_jobs = 2;
  Open();
  tenants_.Set("small", {.max_queued_jobs = 1});
  CreateFor("a");
  const std::string cancelled = CreateFor("a").id;
  const absl::Status full = CreateStatus("a");
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_EQ(RefusedQuota(full), std::nullopt) << "it has no limit of its own";
  EXPECT_TRUE(CreateStatus("b").ok()) << "however full the others' are";
  EXPECT_TRUE(CreateStatus("small").ok());
  const absl::Status refused = CreateStatus("small");
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(RefusedQuota(refused), "jobs");
  EXPECT_EQ(refused.message(),
            "Tenant small has 1 jobs waiting and may have 1; try again when some have run, or cancel some.");
  ASSERT_TRUE(store_->Cancel(cancelled, Tick()).ok());
  CreateFor("a");
  EXPECT_TRUE(absl::IsResourceExhausted(store_->Retry(cancelled, Tick()).status()));
}

TEST_P(TenantsTest, DeviceSecondsAreThoseOfEveryAttemptWithinThirtyDays) {
  const auto seconds = [&] { return store_->DeviceSeconds("a", now_).value(); };
  CreateFor("a");
  now_ = kStart;
  Lease lease = {Claim().job_id, 1};
  now_ += absl::Seconds(30);
  EXPECT_EQ(seconds(), 30) << "of a worker that runs";
  ASSERT_TRUE(store_->RecordCrash(lease, {"INTERNAL", "crash"}, now_).ok());
  EXPECT_EQ(seconds(), 30);
  now_ += absl::Hours(2);
  lease = Claim();
  now_ += absl::Seconds(9);
  ASSERT_TRUE(store_->Requeue(lease, now_).ok());
  lease = Claim();
  now_ += absl::Seconds(4);
  ASSERT_TRUE(store_->Cancel(lease.job_id, now_).ok());
  EXPECT_EQ(seconds(), 30 + 9 + 4);
  EXPECT_EQ(store_->DeviceSeconds("b", now_).value(), 0);
  now_ += kUsageWindow - absl::Hours(1);
  EXPECT_EQ(seconds(), 9 + 4) << "the first hour is too long ago";
  ASSERT_TRUE(store_->Delete(lease.job_id).ok());
  EXPECT_EQ(seconds(), 9 + 4) << "deleting a job pays nothing back";
}

TEST_P(TenantsTest, TheTimeInWhichAServerWasOffIsNobodysDeviceTime) {
  CreateFor("a");
  const Lease lease = Claim();
  now_ += absl::Seconds(10);
  ASSERT_TRUE(store_->Heartbeat(lease, now_).ok());
  now_ += absl::Hours(60);
  ASSERT_TRUE(store_->Requeue(lease, now_).ok());
  EXPECT_EQ(store_->DeviceSeconds("a", now_).value(), 10);
}

TEST_P(TenantsTest, WithItsDeviceSecondsUsedUpATenantQueuesAndRunsNothing) {
  tenants_.Set("a", {.max_device_seconds = 50});
  CreateFor("a");
  CreateFor("a");
  const Lease lease = Claim();
  now_ += absl::Seconds(50);
  EXPECT_EQ(Serve(), "") << "the job that runs has used them up";
  ASSERT_TRUE(store_->Succeed(lease, {}, now_).ok()) << "it is not ended by that";
  EXPECT_EQ(Serve(), "");
  const absl::Status refused = CreateStatus("a");
  EXPECT_EQ(RefusedQuota(refused), "device_seconds") << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("used 51 device seconds in the last 30 days and may use 50"));
  EXPECT_TRUE(CreateStatus("b").ok());
  EXPECT_EQ(Serve(), "b");
  now_ += kUsageWindow + absl::Hours(1);
  EXPECT_EQ(Serve(), "a") << "once they count no longer";
}

TEST_P(TenantsTest, ARequestIdIsTheTenantsOwn) {
  const std::string mine = CreateFor("a", 0, "request").id;
  const std::string theirs = CreateFor("b", 1, "request").id;
  EXPECT_NE(mine, theirs);
  EXPECT_EQ(CreateFor("a", 0, "request").id, mine);
  EXPECT_EQ((*store_->FindByRequestId("a", "request", SomeJob().input))->id, mine);
  EXPECT_FALSE(store_->FindByRequestId("c", "request", SomeJob().input)->has_value());
}

TEST_P(TenantsTest, ListsTheJobsOfOneTenantOrOfAll) {
  const std::string first = CreateFor("a").id, theirs = CreateFor("b").id, second = CreateFor("a").id;
  const auto list = [&](const std::string& tenant, int page_size) {
    ListQuery query;
    query.tenant = tenant;
    query.page_size = page_size;
    std::vector<std::string> ids;
    do {
      const auto page = store_->List(query);
      EXPECT_TRUE(page.ok()) << page.status();
      for (const JobRecord& job : page->jobs) ids.push_back(job.id);
      query.page_token = page->next_page_token;
    } while (!query.page_token.empty());
    return ids;
  };
  EXPECT_THAT(list("a", 1), ElementsAre(second, first));
  EXPECT_THAT(list("b", 10), ElementsAre(theirs));
  EXPECT_THAT(list("nobody", 10), IsEmpty());
  EXPECT_THAT(list("", 2), ElementsAre(second, theirs, first));
}

TEST_P(TenantsTest, AnotherTenantsJobKeepsNoArtifact) {
  const JobRecord mine = CreateFor("a");
  CreateFor("b");
  const std::string digest = mine.input.data[0].sha256;
  EXPECT_THAT(*store_->FindUnreferenced("a", {digest}), IsEmpty());
  EXPECT_THAT(*store_->FindUnreferenced("c", {digest}), ElementsAre(digest));
  ASSERT_TRUE(store_->Cancel(mine.id, Tick()).ok());
  EXPECT_THAT(store_->Delete(mine.id)->unreferenced, testing::Contains(digest));
  EXPECT_THAT(*store_->FindUnreferenced("a", {digest}), ElementsAre(digest));
  EXPECT_THAT(*store_->FindUnreferenced("b", {digest}), IsEmpty());
}

}  // namespace
}  // namespace kprune
