// JobService's calls on jobs that are accepted. Refusals are in job_service_refusal_test.cc, streams of
// events in job_service_watch_test.cc.
#include "server/rpc/job_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/rpc/job_service_fixture.h"
#include "tests/support/await_job.h"

namespace kprune {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(JobServiceTest, Examples) {
  StartWorkers();
  v1::CreateJobRequest request = Request({{"sublayers", 2}});
  request.set_request_id("2f0c2c1e");
  const v1::Job created = MustCreate(request);
  EXPECT_THAT(created.name(), testing::StartsWith("jobs/"));
  EXPECT_EQ(created.preflight().family(), "bert");
  EXPECT_EQ(created.preflight().tokens(), 64);
  ASSERT_EQ(created.spec().options().keep_flops_size(), 1);
  EXPECT_EQ(created.spec().options().keep_flops(0), 0.25);
  EXPECT_FALSE(created.spec().options().has_seed()) << "what was not set stays unset";

  // Every event, in order, until the job's end.
  grpc::Status status;
  const std::vector<v1::Event> events = Watch(created.name(), 0, 1000, &status);
  EXPECT_TRUE(status.ok()) << status.error_message();
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1);
  ASSERT_GT(events.size(), 4u);
  EXPECT_EQ(events[0].state_changed().state(), v1::QUEUED);
  EXPECT_EQ(events[1].state_changed().state(), v1::RUNNING);
  EXPECT_EQ(events[3].sublayer().kind(), v1::SublayerPruned::ATTENTION);
  EXPECT_EQ(events[3].sublayer().kept(), 6);
  EXPECT_EQ(events[3].sublayer().seconds().tune(), 0.5);
  EXPECT_EQ(events.back().state_changed().state(), v1::SUCCEEDED);

  v1::Job done;
  ASSERT_TRUE(Get(created.name(), &done).ok());
  EXPECT_EQ(done.state(), v1::SUCCEEDED);
  EXPECT_EQ(done.progress(), 1);
  EXPECT_EQ(done.result_size(), 3);
  EXPECT_GE(done.end_time().seconds(), done.create_time().seconds());
}

TEST_F(JobServiceTest, TheQueueTellsHowFullItIs) {
  v1::QueueStats empty;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->GetQueueStats(&context, {}, &empty).ok());
  }
  EXPECT_EQ(empty.backlog(), 0);
  EXPECT_THAT(empty.states(), SizeIs(kJobStates.size()));
  EXPECT_FALSE(empty.has_oldest_normal());

  v1::CreateJobRequest urgent = Request();
  urgent.mutable_spec()->set_priority(5);
  MustCreate(Request());
  MustCreate(urgent);
  RestartServer();
  v1::QueueStats stats;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->GetQueueStats(&context, {}, &stats).ok());
  EXPECT_EQ(stats.queue_id(), empty.queue_id());
  EXPECT_EQ(stats.backlog(), 2);
  EXPECT_EQ(stats.states(0).state(), v1::QUEUED);
  EXPECT_EQ(stats.states(0).jobs(), 2);
  EXPECT_TRUE(stats.has_oldest_high());
  EXPECT_TRUE(stats.has_oldest_normal());
  EXPECT_FALSE(stats.has_oldest_low());
  EXPECT_GE(stats.time().seconds(), stats.oldest_normal().seconds());
}

TEST_F(JobServiceTest, ValidateOnlyChecksAndQueuesNothing) {
  v1::CreateJobRequest request = Request();
  request.set_validate_only(true);
  const v1::Job job = MustCreate(request);
  EXPECT_EQ(job.name(), "");
  EXPECT_EQ(job.state(), v1::JOB_STATE_UNSPECIFIED);
  EXPECT_EQ(job.preflight().task(), "text-classification");
  EXPECT_THAT(ListAll(), IsEmpty());
}

TEST_F(JobServiceTest, ARequestIdIsAnsweredOnceAndBelongsToItsBody) {
  v1::CreateJobRequest request = Request();
  request.set_request_id("once");
  const v1::Job first = MustCreate(request);
  EXPECT_EQ(MustCreate(request).name(), first.name());
  EXPECT_EQ(ListAll().size(), 1u);
  request.mutable_spec()->mutable_options()->set_keep_flops(0, 0.75);
  v1::Job job;
  const grpc::Status other = Create(request, &job);
  EXPECT_EQ(other.error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(other.error_message(), HasSubstr(first.name()));
  request.set_request_id(std::string(129, 'x'));
  EXPECT_EQ(Create(request, &job).error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(JobServiceTest, CancelRetryAndDeleteFollowTheStates) {
  const v1::Job created = MustCreate(Request());
  v1::Job job;
  EXPECT_EQ(Retry(created.name(), &job).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Delete(created.name()).error_code(), StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(Cancel(created.name(), &job).ok());
  EXPECT_EQ(job.state(), v1::CANCELLED);
  EXPECT_EQ(Cancel(created.name(), &job).error_code(), StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(Retry(created.name(), &job).ok());
  EXPECT_EQ(job.state(), v1::QUEUED);
  ASSERT_TRUE(Cancel(created.name(), &job).ok());
  ASSERT_TRUE(Delete(created.name()).ok());
  EXPECT_EQ(Get(created.name(), &job).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(JobServiceTest, AJobThatIsCancelledToKeepItsPartEndsWithAResult) {
  StartWorkers();
  const v1::Job created = MustCreate(Request({{"sublayers", 4}, {"wait_at", 1}, {"wait_for", "/nowhere"}}));
  v1::Job job;
  // Queued, running, loading, and the first sublayer.
  EXPECT_TRUE(Watch(created.name(), 0, 4).back().has_sublayer());
  ASSERT_TRUE(Cancel(created.name(), &job, /*keep_partial=*/true).ok());
  EXPECT_TRUE(job.ending_early());
  EXPECT_EQ(job.state(), v1::RUNNING);
  const std::vector<v1::Event> events = Watch(created.name(), 0, 100);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().state_changed().state(), v1::CANCELLED);
  ASSERT_TRUE(Get(created.name(), &job).ok());
  EXPECT_FALSE(job.ending_early());
  EXPECT_THAT(job.result(), Not(IsEmpty()));
  EXPECT_EQ(Cancel(created.name(), &job, true).error_code(), StatusCode::FAILED_PRECONDITION);
}

TEST_F(JobServiceTest, DeletingAJobKeepsWhatOthersStillNeed) {
  const v1::Job mine = MustCreate(Request({{"mine", 1}}));
  const v1::Job other = MustCreate(Request({{"other", 2}}));
  v1::Job job;
  ASSERT_TRUE(Cancel(mine.name(), &job).ok());
  ASSERT_TRUE(Delete(mine.name()).ok());
  EXPECT_FALSE(artifacts_.Query(mine.spec().model(0).sha256())->complete)
      << "only that job had this config.json";
  for (const v1::File& file : other.spec().model()) {
    EXPECT_TRUE(artifacts_.Query(file.sha256())->complete) << file.name();
  }
}

TEST_F(JobServiceTest, AFailedJobTellsItsError) {
  StartWorkers();
  const v1::Job created = MustCreate(Request({{"fail", "INVALID_ARGUMENT: Tensor x has a NaN."}}));
  AwaitFinished(*store_, Id(created));
  v1::Job job;
  ASSERT_TRUE(Get(created.name(), &job).ok());
  EXPECT_EQ(job.state(), v1::FAILED);
  EXPECT_EQ(job.error().code(), "INVALID_ARGUMENT");
  EXPECT_EQ(job.error().message(), "Tensor x has a NaN.");
  EXPECT_EQ(Watch(created.name(), 0, 1000).back().state_changed().error().message(), "Tensor x has a NaN.");
}

TEST_F(JobServiceTest, AThousandJobsListInPagesNewestFirst) {
  std::vector<std::string> newest_first;
  for (int i = 0; i < 1000; ++i) {
    NewJob job;
    job.input.model = {{"config.json", std::string(64, 'a'), 1}};
    newest_first.insert(newest_first.begin(), "jobs/" + store_->Create(job, clock_.Now())->job.id);
  }
  EXPECT_EQ(ListAll(), newest_first);
  EXPECT_EQ(ListAll(333), newest_first);
}

TEST_F(JobServiceTest, APageEndsBeforeItIsLargerThanClientsTake) {
  v1::CreateJobRequest request = Request();
  request.mutable_spec()->mutable_options()->add_columns(std::string(500 << 10, 'x'));
  for (int i = 0; i < 10; ++i) MustCreate(request);
  grpc::ClientContext context;
  v1::ListJobsResponse page;
  ASSERT_TRUE(stub_->ListJobs(&context, {}, &page).ok());
  EXPECT_EQ(page.jobs_size(), 4) << "of half a mebibyte each, in two";
  EXPECT_THAT(ListAll(), SizeIs(10)) << "the pages after it have the others";
}

}  // namespace
}  // namespace kprune
