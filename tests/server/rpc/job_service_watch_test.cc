// JobService's streams of events: live, from where the reader was, and how they end.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/rpc/job_service_fixture.h"
#include "tests/support/await_job.h"

namespace kprune {
namespace {

using grpc::StatusCode;

TEST_F(JobServiceTest, ARunningJobIsCancelledAndItsWatchEnds) {
  StartWorkers();
  const v1::Job created = MustCreate(Request({{"hang", true}, {"ignore_sigterm", true}}));
  AwaitJob(*store_, Id(created), [](const JobRecord& job) { return job.progress > 0; });
  v1::Job job;
  ASSERT_TRUE(Cancel(created.name(), &job).ok());
  grpc::Status status;
  const std::vector<v1::Event> events = Watch(created.name(), 0, 1000, &status);
  EXPECT_TRUE(status.ok());
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().state_changed().state(), v1::CANCELLED);
}

TEST_F(JobServiceTest, AWatcherThatReconnectsAlsoOverARestartGetsEveryEventOnce) {
  const std::string gate = folder_.path() / "gate";
  StartWorkers();
  const v1::Job created = MustCreate(Request({{"sublayers", 6}, {"wait_for", gate}}));
  std::vector<v1::Event> seen = Watch(created.name(), 0, 2);
  ASSERT_EQ(seen.size(), 2u);
  RestartServer();
  StartWorkers();
  std::ofstream(gate) << "open";
  // One event a connection.
  grpc::Status status;
  while (seen.size() < 1000) {
    const std::vector<v1::Event> next = Watch(created.name(), seen.back().sequence(), 1, &status);
    if (next.empty()) break;
    seen.push_back(next[0]);
  }
  EXPECT_TRUE(status.ok()) << status.error_message();
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i].sequence(), static_cast<int64_t>(i) + 1);
  EXPECT_EQ(seen.back().state_changed().state(), v1::SUCCEEDED);
  EXPECT_EQ(seen.back().state_changed().attempt(), 2);
  std::vector<std::string> all_at_once, one_by_one;
  for (const v1::Event& event : Watch(created.name(), 0, 1000))
    all_at_once.push_back(event.SerializeAsString());
  for (const v1::Event& event : seen) one_by_one.push_back(event.SerializeAsString());
  EXPECT_EQ(one_by_one, all_at_once);
}

TEST_F(JobServiceTest, ManyWatchersSeeAJobLiveToItsEnd) {
  const v1::Job created = MustCreate(Request({{"sublayers", 12}}));
  std::vector<std::thread> watchers;
  std::vector<std::vector<v1::Event>> seen(32);
  for (auto& events : seen) {
    watchers.emplace_back([&] { events = Watch(created.name(), 0, 100000); });
  }
  StartWorkers();
  for (std::thread& watcher : watchers) watcher.join();
  for (const auto& events : seen) {
    ASSERT_EQ(events.size(), seen[0].size());
    for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1);
    EXPECT_EQ(events.back().state_changed().state(), v1::SUCCEEDED);
  }
}

TEST_F(JobServiceTest, AWatchOfAJobThatIsDeletedEnds) {
  const v1::Job created = MustCreate(Request());
  grpc::ClientContext context;
  v1::WatchJobRequest request;
  request.set_name(created.name());
  auto reader = stub_->WatchJob(&context, request);
  v1::Event event;
  ASSERT_TRUE(reader->Read(&event));
  v1::Job job;
  ASSERT_TRUE(Cancel(created.name(), &job).ok());
  ASSERT_TRUE(Delete(created.name()).ok());
  while (reader->Read(&event)) {
  }
  const StatusCode code = reader->Finish().error_code();
  EXPECT_TRUE(code == StatusCode::OK || code == StatusCode::NOT_FOUND) << code;
}

TEST_F(JobServiceTest, AServerThatShutsDownTellsItsWatchers) {
  const v1::Job created = MustCreate(Request());
  grpc::ClientContext context;
  v1::WatchJobRequest request;
  request.set_name(created.name());
  auto reader = stub_->WatchJob(&context, request);
  v1::Event event;
  ASSERT_TRUE(reader->Read(&event));
  service_->EndWatches();
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_EQ(reader->Finish().error_code(), StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace kprune
