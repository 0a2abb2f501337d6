// One suite for every JobStore: what the queue promises of a job's life, whatever keeps it. What it promises
// to those who read is in job_store_reading_test.cc.
#include "kprune/job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/jobs/job_store_fixture.h"

namespace kprune {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_P(JobStoreTest, Examples) {
  // A client creates a job.
  auto created = store_->Create(SomeJob("first-request"), kStart);
  ASSERT_TRUE(created.ok());
  const std::string id = created->job.id;
  EXPECT_EQ(created->job.state, JobState::kQueued);

  // A device takes it, tells how it goes, and finishes it.
  auto claimed = store_->Claim("cpu", kStart + absl::Seconds(1));
  ASSERT_TRUE(claimed.ok() && claimed->job);
  const Lease lease = {id, claimed->job->lease_epoch};
  EXPECT_EQ(claimed->job->attempt, 1);
  ASSERT_TRUE(store_->AppendEvent(lease, R"({"stage":{"stage":"MEASURE"}})", 0.25, kStart).ok());
  EXPECT_EQ(Get(id).progress, 0.25);
  const Manifest result = {{"config.json", std::string(64, 'd'), 5}};
  ASSERT_TRUE(store_->Succeed(lease, result, kStart + absl::Seconds(9)).ok());

  const JobRecord done = Get(id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(done.progress, 1);
  EXPECT_EQ(done.result, result);
  EXPECT_EQ(done.end_time, kStart + absl::Seconds(9));

  // Who watches it reads every event, and knows the end.
  auto batch = store_->ReadEvents(id, 0, 100);
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->events.size(), 4u);
  EXPECT_TRUE(batch->end);
  EXPECT_THAT(Payloads(id), ElementsAre(HasSubstr("QUEUED"), HasSubstr("RUNNING"), HasSubstr("MEASURE"),
                                        HasSubstr("SUCCEEDED")));
}

TEST_P(JobStoreTest, KeepsWhatItWasGiven) {
  const NewJob job = SomeJob("request \"quoted\" ünï");
  const std::string id = Create(job).id;
  const JobRecord read = Get(id);
  EXPECT_EQ(read.input, job.input);
  EXPECT_EQ(read.request_id, job.request_id);
  EXPECT_EQ(read.preflight_json, job.preflight_json);
  EXPECT_EQ(read.create_time, kStart + absl::Seconds(1));
  EXPECT_EQ(read.start_time, std::nullopt);
  EXPECT_EQ(read.end_time, std::nullopt);
}

TEST_P(JobStoreTest, ARepeatedRequestReturnsTheFirstJob) {
  const std::string id = Create(SomeJob("request")).id;
  auto again = store_->Create(SomeJob("request"), Tick());
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->job.id, id);
  auto found = store_->FindByRequestId(kDefaultTenant, "request", SomeJob().input);
  ASSERT_TRUE(found.ok() && *found);
  EXPECT_EQ((*found)->id, id);
  EXPECT_EQ(Payloads(id).size(), 1u);
}

TEST_P(JobStoreTest, AJobKeepsTheTraceOfTheCallThatAskedFirst) {
  NewJob job = SomeJob("request");
  job.input.trace_parent = "first";
  const std::string id = store_->Create(job, Tick())->job.id;
  job.input.trace_parent = "second";
  EXPECT_EQ(store_->Create(job, Tick())->job.input.trace_parent, "first");
  EXPECT_EQ(store_->Get(id)->input.trace_parent, "first");
  EXPECT_EQ(store_->Claim("cpu", Tick())->job->input.trace_parent, "first");
}

TEST_P(JobStoreTest, ARequestIdWithAnotherBodyIsRefused) {
  Create(SomeJob("request"));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->Create(SomeJob("request", "0.25"), Tick()).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->FindByRequestId(kDefaultTenant, "request", SomeJob("", "0.25").input).status()));
}

TEST_P(JobStoreTest, WhatWasFetchedIsTheJobsOwnAndNotTheRequests) {
  NewJob by_uri = SomeJob("mine");
  by_uri.input.model_uri = "https://models.example.com/team/";
  const Manifest model = std::exchange(by_uri.input.model, {});
  const std::string id = Create(by_uri).id;
  EXPECT_EQ(Get(id).input, by_uri.input);
  const Lease lease = Claim();
  ASSERT_TRUE(store_->SetModel(lease, model, R"({"stage": {"stage": "LOAD"}})", Tick()).ok());
  ASSERT_TRUE(store_->SetPreflight(lease, R"({"family": "fetched"})").ok());
  EXPECT_EQ(Get(id).input.model, model);
  EXPECT_EQ(Get(id).input.model_uri, by_uri.input.model_uri);
  EXPECT_EQ(Get(id).preflight_json, R"({"family": "fetched"})");
  EXPECT_THAT(Payloads(id).back(), testing::HasSubstr("LOAD"));

  // The same request is still the same, and another URI another.
  EXPECT_EQ(Create(by_uri).id, id);
  EXPECT_EQ((*store_->FindByRequestId(kDefaultTenant, "mine", by_uri.input))->id, id);
  by_uri.input.model_uri = "https://models.example.com/other/";
  EXPECT_TRUE(absl::IsAlreadyExists(store_->Create(by_uri, Tick()).status()));

  // Only the lease's holder records; what was recorded stays, also for a retry.
  ASSERT_TRUE(store_->Cancel(id, Tick()).ok());
  EXPECT_TRUE(absl::IsAborted(store_->SetModel(lease, model, "{}", Tick())));
  EXPECT_TRUE(absl::IsAborted(store_->SetPreflight(lease, "{}")));
  ASSERT_TRUE(store_->Retry(id, Tick()).ok());
  EXPECT_EQ(Get(id).input.model, model);
  ASSERT_TRUE(store_->Cancel(id, Tick()).ok());
  EXPECT_THAT(store_->Delete(id)->unreferenced, testing::Contains(model[0].sha256));
}

TEST_P(JobStoreTest, JobsWithoutARequestIdAreAllNew) {
  EXPECT_NE(Create().id, Create().id);
  auto found = store_->FindByRequestId(kDefaultTenant, "", SomeJob().input);
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(found->has_value());
}

TEST_P(JobStoreTest, AFullQueueRefusesCreateAndRetry) {
  options_.max_queued_jobs = 2;
  Open();
  Create();
  const std::string cancelled = Create().id;
  EXPECT_TRUE(absl::IsResourceExhausted(store_->Create(SomeJob(), Tick()).status()));
  ASSERT_TRUE(store_->Cancel(cancelled, Tick()).ok());
  Create(SomeJob("fills it again"));
  EXPECT_TRUE(absl::IsResourceExhausted(store_->Retry(cancelled, Tick()).status()));
  EXPECT_EQ(Get(cancelled).state, JobState::kCancelled);
  // A repeated request is not a new job.
  EXPECT_TRUE(store_->Create(SomeJob("fills it again"), Tick()).ok());
  // A claimed job does not wait.
  Claim();
  EXPECT_TRUE(store_->Create(SomeJob(), Tick()).ok());
}

TEST_P(JobStoreTest, ClaimsInTheOrderOfCreation) {
  const std::string first = Create().id;
  const std::string second = Create().id;
  EXPECT_EQ(Claim().job_id, first);
  EXPECT_EQ(Claim().job_id, second);
  auto none = store_->Claim("cpu", Tick());
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->job);
  EXPECT_EQ(none->retry_at, absl::InfiniteFuture());
}

TEST_P(JobStoreTest, TheGreaterPriorityIsClaimedFirstAndOfEqualOnesTheOlder) {
  const auto with = [](int priority) {
    NewJob job = SomeJob();
    job.input.priority = priority;
    return job;
  };
  const std::string low = Create(with(-1)).id, first = Create(with(0)).id, second = Create(with(0)).id;
  const std::string high = Create(with(7)).id;
  EXPECT_EQ(Get(high).input.priority, 7);
  for (const std::string& expected : {high, first, second, low}) EXPECT_EQ(Claim().job_id, expected);
}

TEST_P(JobStoreTest, ABackOffEndsAlsoWhenTheClockWasSetBack) {
  options_.retry_backoff = absl::Seconds(5);
  Open();
  Create();
  ASSERT_TRUE(store_->RecordCrash(Claim(), {"INTERNAL", "crash"}, now_).ok());
  EXPECT_FALSE(store_->Claim("cpu", now_)->job) << "it waits";
  EXPECT_TRUE(store_->Claim("cpu", now_ - absl::Hours(24))->job) << "as long would no back-off be";
}

TEST_P(JobStoreTest, FinishedJobsAreListedByTheirEnd) {
  const std::string first = Create().id, second = Create().id, waiting = Create().id;
  ASSERT_TRUE(store_->Cancel(second, now_ = kStart + absl::Hours(1)).ok());
  ASSERT_TRUE(store_->Cancel(first, now_ = kStart + absl::Hours(2)).ok());
  EXPECT_THAT(*store_->ListFinished(kStart + absl::Hours(3), 10), ElementsAre(second, first));
  EXPECT_THAT(*store_->ListFinished(kStart + absl::Hours(3), 1), ElementsAre(second));
  EXPECT_THAT(*store_->ListFinished(kStart + absl::Hours(2), 10), ElementsAre(second)) << "before, not at";
  ASSERT_TRUE(store_->Retry(second, now_).ok());
  EXPECT_THAT(*store_->ListFinished(kStart + absl::Hours(3), 10), ElementsAre(first));
}

TEST_P(JobStoreTest, WhatNoJobRefersToIsFound) {
  const std::string model(64, 'a'), result(64, 'd'), other(64, 'e');
  EXPECT_THAT(*store_->FindUnreferenced(kDefaultTenant, {model, other}), ElementsAre(model, other));
  Create();
  ASSERT_TRUE(store_->Succeed(Claim(), {{"report.json", result, 1}}, Tick()).ok());
  EXPECT_THAT(*store_->FindUnreferenced(kDefaultTenant, {model, other, result}), ElementsAre(other));
}

TEST_P(JobStoreTest, AJobForADeviceWaitsForThatDevice) {
  NewJob job = SomeJob();
  job.input.device = "cuda:1";
  const std::string on_gpu = Create(job).id;
  const std::string anywhere = Create().id;
  EXPECT_EQ(Claim("cpu").job_id, anywhere);
  EXPECT_FALSE(store_->Claim("cpu", Tick())->job);
  EXPECT_EQ(Claim("cuda:1").job_id, on_gpu);
}

TEST_P(JobStoreTest, AStaleLeaseIsFencedFromEverything) {
  const std::string id = Create().id;
  const Lease stale = Claim();
  ASSERT_TRUE(store_->Requeue(stale, Tick()).ok());
  const Lease current = Claim();
  EXPECT_GT(current.epoch, stale.epoch);
  const size_t events = Payloads(id).size();

  EXPECT_TRUE(absl::IsAborted(store_->Heartbeat(stale, Tick())));
  EXPECT_TRUE(absl::IsAborted(store_->SetWorker(stale, {1, 2, "boot"})));
  EXPECT_TRUE(absl::IsAborted(store_->AppendEvent(stale, "{}", 0.5, Tick())));
  EXPECT_TRUE(absl::IsAborted(store_->Succeed(stale, {}, Tick()).status()));
  EXPECT_TRUE(absl::IsAborted(store_->Fail(stale, {"INTERNAL", "x"}, Tick())));
  EXPECT_TRUE(absl::IsAborted(store_->RecordCrash(stale, {"INTERNAL", "x"}, Tick()).status()));
  EXPECT_TRUE(absl::IsAborted(store_->Requeue(stale, Tick())));

  EXPECT_EQ(Get(id).state, JobState::kRunning);
  EXPECT_EQ(Get(id).progress, 0);
  EXPECT_EQ(Payloads(id).size(), events);
  EXPECT_TRUE(store_->Heartbeat(current, Tick()).ok());
}

TEST_P(JobStoreTest, ALeaseEndsWithCancellationAndDeletion) {
  const std::string id = Create().id;
  const Lease lease = Claim();
  auto cancelled = store_->Cancel(id, Tick());
  ASSERT_TRUE(cancelled.ok());
  EXPECT_EQ(cancelled->state, JobState::kCancelled);
  EXPECT_EQ(cancelled->end_time, now_);
  EXPECT_TRUE(absl::IsAborted(store_->Heartbeat(lease, Tick())));
  EXPECT_TRUE(absl::IsAborted(store_->Succeed(lease, {}, Tick()).status()));
  ASSERT_TRUE(store_->Delete(id).ok());
  EXPECT_TRUE(absl::IsAborted(store_->Heartbeat(lease, Tick())));
  EXPECT_TRUE(absl::IsAborted(store_->AppendEvent(lease, "{}", std::nullopt, Tick())));
}

TEST_P(JobStoreTest, ACrashedJobWaitsLongerEachTimeAndThenFails) {
  options_.max_crashes = 3;
  options_.retry_backoff = absl::Seconds(10);
  Open();
  const std::string id = Create().id;

  auto state = store_->RecordCrash(Claim(), {"INTERNAL", "first blow"}, now_);
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(*state, JobState::kRetryWait);
  EXPECT_EQ(Get(id).error.message, "first blow");
  auto early = store_->Claim("cpu", now_ + absl::Seconds(9));
  EXPECT_FALSE(early->job);
  EXPECT_EQ(early->retry_at, now_ + absl::Seconds(10));

  now_ += absl::Seconds(10);
  EXPECT_EQ(*store_->RecordCrash(Claim(), {"INTERNAL", "second"}, now_), JobState::kRetryWait);
  EXPECT_EQ(store_->Claim("cpu", now_)->retry_at, now_ + absl::Seconds(20));

  now_ += absl::Seconds(20);
  EXPECT_EQ(*store_->RecordCrash(Claim(), {"INTERNAL", "third"}, now_), JobState::kFailed);
  const JobRecord failed = Get(id);
  EXPECT_EQ(failed.attempt, 3);
  EXPECT_EQ(failed.error.code, "INTERNAL");
  EXPECT_THAT(failed.error.message, HasSubstr("crashed 3 times"));
  EXPECT_THAT(failed.error.message, HasSubstr("third"));
  EXPECT_THAT(Payloads(id).back(), HasSubstr("FAILED"));
}

TEST_P(JobStoreTest, ARequeuedJobIsNotChargedAndKeepsItsPlace) {
  const std::string first = Create().id;
  Create();
  for (int i = 0; i < 5; ++i) {
    const Lease lease = Claim();
    EXPECT_EQ(lease.job_id, first);
    ASSERT_TRUE(store_->Requeue(lease, Tick()).ok());
  }
  EXPECT_EQ(Get(first).crashes, 0);
  EXPECT_EQ(Get(first).attempt, 5);
  EXPECT_EQ(Get(first).state, JobState::kQueued);
}

TEST_P(JobStoreTest, AFailedJobKeepsItsSentenceUntilItIsRetried) {
  const std::string id = Create().id;
  ASSERT_TRUE(store_->Fail(Claim(), {"INVALID_ARGUMENT", "Tensor x has a NaN."}, Tick()).ok());
  EXPECT_EQ(Get(id).error, (JobError{"INVALID_ARGUMENT", "Tensor x has a NaN."}));
  auto retried = store_->Retry(id, Tick());
  ASSERT_TRUE(retried.ok());
  EXPECT_EQ(retried->state, JobState::kQueued);
  EXPECT_EQ(retried->error, JobError());
  EXPECT_EQ(retried->end_time, std::nullopt);
  EXPECT_FALSE(store_->ReadEvents(id, 0, 100)->end);
  EXPECT_EQ(Claim().job_id, id);
  EXPECT_EQ(Get(id).attempt, 2);
}

TEST_P(JobStoreTest, OnlyFittingStatesMayBeCancelledRetriedOrDeleted) {
  const std::string id = Create().id;
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Retry(id, Tick()).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Delete(id).status()));
  const Lease lease = Claim();
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Retry(id, Tick()).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Delete(id).status()));
  ASSERT_TRUE(store_->Succeed(lease, {}, Tick()).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Cancel(id, Tick()).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Retry(id, Tick()).status()));
  EXPECT_TRUE(store_->Delete(id).ok());
}

TEST_P(JobStoreTest, AnUnknownJobIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(store_->Get("nobody").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Cancel("nobody", Tick()).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Retry("nobody", Tick()).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Delete("nobody").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->ReadEvents("nobody", 0, 10).status()));
}

TEST_P(JobStoreTest, DeletingTellsWhichArtifactsNobodyNeeds) {
  NewJob mine = SomeJob();
  mine.input.data.push_back({"more.jsonl", std::string(64, 'e'), 1});
  const std::string id = Create(mine).id;
  const Lease lease = Claim();
  const std::string other = Create(SomeJob()).id;
  ASSERT_TRUE(store_->Succeed(lease, {{"report.json", std::string(64, 'f'), 1}}, Tick()).ok());
  auto deleted = store_->Delete(id);
  ASSERT_TRUE(deleted.ok());
  EXPECT_THAT(deleted->unreferenced, ElementsAre(std::string(64, 'e'), std::string(64, 'f')));
  EXPECT_TRUE(absl::IsNotFound(store_->Get(id).status()));
  ASSERT_TRUE(store_->Cancel(other, Tick()).ok());
  EXPECT_EQ(store_->Delete(other)->unreferenced.size(), 3u);
}

TEST_P(JobStoreTest, ADeletedJobsRequestIdIsFreeAgain) {
  const std::string id = Create(SomeJob("request")).id;
  ASSERT_TRUE(store_->Cancel(id, Tick()).ok());
  ASSERT_TRUE(store_->Delete(id).ok());
  EXPECT_NE(Create(SomeJob("request")).id, id);
}

TEST_P(JobStoreTest, ManyThreadsClaimEveryJobOnce) {
  std::set<std::string> ids;
  for (int i = 0; i < 60; ++i) ids.insert(Create().id);
  std::mutex mutex;
  std::multiset<std::string> claimed;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (;;) {
        auto result = store_->Claim("cpu", kStart);
        if (!result.ok() || !result->job) return;
        std::lock_guard lock(mutex);
        claimed.insert(result->job->id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(claimed, std::multiset<std::string>(ids.begin(), ids.end()));
}

// For the tests of job_store_reading_test.cc too.
INSTANTIATE_TEST_SUITE_P(Stores, JobStoreTest,
                         testing::Values(StoreKind{"InMemory", false}, StoreKind{"Sqlite", true}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace kprune
