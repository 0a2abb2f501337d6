// What JobService refuses, with which status and which words.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/server/rpc/job_service_fixture.h"

namespace kprune {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

TEST_F(JobServiceTest, TheWorkersPreflightErrorIsPassedOn) {
  ExpectRefused(
      Request({{"preflight_fail", "FAILED_PRECONDITION: keep_flops 0.25 cannot be reached: 0.3 to 1 can."}}),
      StatusCode::FAILED_PRECONDITION, "keep_flops 0.25 cannot be reached: 0.3 to 1 can.");
  v1::CreateJobRequest request =
      Request({{"preflight_fail", "INVALID_ARGUMENT: model_type \"gpt2\" is unknown."}});
  request.set_validate_only(true);
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "model_type \"gpt2\" is unknown.");
}

TEST_F(JobServiceTest, APreflightThatHangsIsEnded) {
  StopServer();
  preflight_limit_ = absl::Milliseconds(200);
  StartServer();
  ExpectRefused(Request({{"preflight_hang", true}, {"ignore_sigterm", true}}), StatusCode::DEADLINE_EXCEEDED,
                "took longer than 200ms");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "preflight"));
}

TEST_F(JobServiceTest, NamesOutsideTheAllowListAreRefused) {
  for (const char* name : {"../config.json", "/etc/passwd", "a/b/config.json", "evil.py", "", ".hidden",
                           "modeling_kprune.py", "dense/config.json"}) {
    v1::CreateJobRequest request = Request();
    Add(request.mutable_spec()->mutable_model(), name, "x");
    ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "spec.model");
  }
  v1::CreateJobRequest request = Request();
  Add(request.mutable_spec()->mutable_data(), "sub/samples.jsonl", "x");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "spec.data file name \"sub/samples.jsonl\"");
  request = Request();
  Add(request.mutable_spec()->mutable_eval(), "dev.xlsx", "x");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "spec.eval file name \"dev.xlsx\"");
}

TEST_F(JobServiceTest, OnlySafetensorsAreAccepted) {
  for (const char* name :
       {"pytorch_model.bin", "model.pt", "model.pth", "model.pkl", "archive.zip", "model.gguf", "M.BIN"}) {
    v1::CreateJobRequest request = Request();
    Add(request.mutable_spec()->mutable_model(), name, "x");
    ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "safetensors only");
  }
}

TEST_F(JobServiceTest, AFileNamedTwiceIsRefused) {
  v1::CreateJobRequest request = Request();
  Add(request.mutable_spec()->mutable_model(), "config.json", "other");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "\"config.json\" twice");
}

TEST_F(JobServiceTest, AModelNeedsItsConfigItsWeightsAndData) {
  v1::CreateJobRequest request = Request();
  request.mutable_spec()->mutable_model()->DeleteSubrange(0, 1);
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "no config.json");
  request = Request();
  request.mutable_spec()->mutable_model()->DeleteSubrange(1, 1);
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "no weights");
  request = Request();
  request.mutable_spec()->clear_data();
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "spec.data is empty");
  ExpectRefused({}, StatusCode::INVALID_ARGUMENT, "no config.json");
}

TEST_F(JobServiceTest, MalformedDigestsAndSizesAreRefused) {
  v1::CreateJobRequest request = Request();
  request.mutable_spec()->mutable_data(0)->set_sha256("ABC");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "64 lower-case hexadecimal digits");
  for (const int64_t size : {int64_t{0}, int64_t{-5}}) {
    request = Request();
    request.mutable_spec()->mutable_data(0)->set_size(size);
    ExpectRefused(request, StatusCode::INVALID_ARGUMENT, absl::StrCat("samples.jsonl has size ", size));
  }
  request = Request();
  request.mutable_spec()->mutable_data(0)->set_size(1000);
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "declared with 1000 bytes");
}

TEST_F(JobServiceTest, AJobBeforeItsUploadNamesTheMissingFile) {
  v1::CreateJobRequest request = Request();
  request.mutable_spec()->mutable_data(0)->set_sha256(std::string(64, '0'));
  ExpectRefused(request, StatusCode::FAILED_PRECONDITION, "samples.jsonl is not uploaded");
}

TEST_F(JobServiceTest, TooManyFilesAndUnknownDevicesAreRefused) {
  v1::CreateJobRequest request = Request();
  for (int i = 0; i < 8; ++i)
    Add(request.mutable_spec()->mutable_data(), absl::StrCat("more-", i, ".jsonl"), "x");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "at most 8");
  request = Request();
  request.mutable_spec()->mutable_options()->set_device("cuda:7");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "cuda:7");
}

TEST_F(JobServiceTest, AJobThatClientsCouldNotReadBackIsRefused) {
  v1::CreateJobRequest request = Request();
  request.mutable_spec()->mutable_options()->add_columns(std::string(512 << 10, 'x'));
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "at most 524288 are accepted");
}

TEST_F(JobServiceTest, ASentenceOfTheWorkerThatTrailersCannotHoldArrivesCut) {
  std::string sentence;
  while (sentence.size() < 4000) sentence += "語";  // nine bytes each on their way
  ExpectRefused(Request({{"preflight_fail", "INVALID_ARGUMENT: " + sentence}}), StatusCode::INVALID_ARGUMENT,
                "語語語...");
}

TEST_F(JobServiceTest, APriorityOutOfRangeIsRefused) {
  v1::CreateJobRequest request = Request();
  for (const int priority : {-101, 101, INT32_MIN, INT32_MAX}) {
    request.mutable_spec()->set_priority(priority);
    ExpectRefused(request, StatusCode::INVALID_ARGUMENT, absl::StrCat("spec.priority is ", priority));
  }
  request.mutable_spec()->set_priority(-100);
  EXPECT_EQ(MustCreate(request).spec().priority(), -100);
}

TEST_F(JobServiceTest, AFullQueueIsResourceExhausted) {
  StopServer();
  store_options_.max_queued_jobs = 2;
  StartServer();
  MustCreate(Request());
  MustCreate(Request());
  v1::Job job;
  const grpc::Status status = Create(Request(), &job);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("2 jobs"));
}

TEST_F(JobServiceTest, ADrainingServerAcceptsNoJob) {
  const v1::Job job = MustCreate(Request());
  parts_->manager.StopAccepting();
  v1::Job refused;
  EXPECT_EQ(Create(Request(), &refused).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(Retry(job.name(), &refused).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_TRUE(Get(job.name(), &refused).ok());
}

TEST_F(JobServiceTest, MalformedAndUnknownNames) {
  v1::Job job;
  for (const char* name : {"", "jobs/", "jobs/../x", "job/1", "jobs/a/b", "jobs/x'--"}) {
    EXPECT_EQ(Get(name, &job).error_code(), StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(Cancel(name, &job).error_code(), StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(Retry(name, &job).error_code(), StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(Delete(name).error_code(), StatusCode::INVALID_ARGUMENT) << name;
    grpc::Status status;
    Watch(name, 0, 10, &status);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << name;
  }
  EXPECT_EQ(Get("jobs/nobody", &job).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Cancel("jobs/nobody", &job).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Retry("jobs/nobody", &job).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Delete("jobs/nobody").error_code(), StatusCode::NOT_FOUND);
  grpc::Status status;
  Watch("jobs/nobody", 0, 10, &status);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  Watch(MustCreate(Request()).name(), -1, 10, &status);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(JobServiceTest, ListingRefusesWhatItCannotMean) {
  auto list = [&](int page_size, const std::string& token, int state) {
    grpc::ClientContext context;
    v1::ListJobsRequest request;
    v1::ListJobsResponse response;
    request.set_page_size(page_size);
    request.set_page_token(token);
    if (state >= 0) request.add_states(static_cast<v1::JobState>(state));
    return stub_->ListJobs(&context, request, &response).error_code();
  };
  EXPECT_EQ(list(-1, "", -1), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(list(10, "garbage", -1), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(list(10, std::string(63, 'x') + "ü", -1), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(list(10, "", v1::JOB_STATE_UNSPECIFIED), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(list(10, "", 99), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(list(100000, "", v1::QUEUED), StatusCode::OK);
}

TEST_F(JobServiceTest, TooManyChecksAtOnceAreTurnedAway) {
  StopServer();
  service_options_.preflight_threads = 1;
  service_options_.max_creates = 1;
  StartServer();
  const std::string gate = folder_.path() / "checking";
  std::thread slow([&] {
    v1::Job job;
    Create(Request({{"preflight_touch", gate}, {"preflight_wait_for", gate + "-open"}}), &job);
  });
  while (!std::filesystem::exists(gate)) std::this_thread::yield();
  v1::Job job;
  EXPECT_EQ(Create(Request(), &job).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  std::ofstream(gate + "-open") << "open";
  slow.join();
  EXPECT_EQ(ListAll().size(), 1u);
}

}  // namespace
}  // namespace kprune
