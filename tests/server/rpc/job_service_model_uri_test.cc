// CreateJob with a model_uri, over real gRPC.
#include "tests/fakes/in_memory_http_host.h"
#include "tests/server/rpc/job_service_fixture.h"
#include "tests/support/await_job.h"

namespace kprune {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class JobServiceModelUriTest : public JobServiceTest {
 protected:
  JobServiceModelUriTest() {
    ModelFetcherOptions options;
    options.allowed = *SourceAllowList::Parse("https://models.example.com/team/");
    fetcher_ = std::make_unique<ModelFetcher>(
        options, [this] { return host_.MakeClient(); }, clock_);
    RestartServer();
  }

  // The request for a model that is fetched.
  v1::CreateJobRequest UriRequest(const std::string& uri = kFolder) {
    v1::CreateJobRequest request = Request();
    request.mutable_spec()->clear_model();
    request.mutable_spec()->set_model_uri(uri);
    return request;
  }

  inline static const std::string kFolder = "https://models.example.com/team/sst2/";
  InMemoryHttpHost host_;
};

TEST_F(JobServiceModelUriTest, Examples) {
  host_.Serve(kFolder + "config.json", {{.body = R"({"model_type": "bert"})"}});
  host_.Serve(kFolder + "model.safetensors", {{.body = "weights"}});
  v1::CreateJobRequest request = UriRequest();
  request.set_request_id("mine");
  const v1::Job created = MustCreate(request);
  EXPECT_EQ(created.spec().model_uri(), kFolder);
  EXPECT_THAT(created.spec().model(), SizeIs(0));
  EXPECT_THAT(created.preflight().not_checked(), HasSubstr("fetched when the job starts"));
  EXPECT_THAT(host_.urls(), SizeIs(0)) << "no call waits for a host";

  StartWorkers();
  AwaitFinished(*store_, Id(created));
  v1::Job job;
  ASSERT_TRUE(Get(created.name(), &job).ok());
  EXPECT_EQ(job.state(), v1::SUCCEEDED) << job.error().message();
  EXPECT_EQ(job.spec().model_uri(), kFolder);
  EXPECT_THAT(job.spec().model(), SizeIs(2));
  EXPECT_EQ(job.preflight().family(), "bert");
  EXPECT_EQ(job.preflight().not_checked(), "");
  // The request is known again, now that its job has a model.
  EXPECT_EQ(MustCreate(request).name(), created.name());
}

TEST_F(JobServiceModelUriTest, WhatIsNotAllowedIsRefusedAtOnce) {
  ExpectRefused(UriRequest("https://models.example.com/other/"), grpc::StatusCode::PERMISSION_DENIED,
                "--model-source-allow");
  ExpectRefused(UriRequest("https://169.254.169.254/latest/"), grpc::StatusCode::PERMISSION_DENIED,
                "--model-source-allow");
  ExpectRefused(UriRequest("hub:org/name"), grpc::StatusCode::PERMISSION_DENIED, "--hub-mirror");
  ExpectRefused(UriRequest("https://user:pw@models.example.com/team/"), grpc::StatusCode::INVALID_ARGUMENT,
                "user name or password");
  ExpectRefused(UriRequest("../team"), grpc::StatusCode::INVALID_ARGUMENT, "spec.model_uri");
  v1::CreateJobRequest both = Request();
  both.mutable_spec()->set_model_uri(kFolder);
  ExpectRefused(both, grpc::StatusCode::INVALID_ARGUMENT, "spec has both model and model_uri");
  v1::CreateJobRequest no_data = UriRequest();
  no_data.mutable_spec()->clear_data();
  ExpectRefused(no_data, grpc::StatusCode::INVALID_ARGUMENT, "spec.data is empty");
}

TEST_F(JobServiceModelUriTest, ValidateOnlySaysWhatItDidNotCheck) {
  v1::CreateJobRequest request = UriRequest();
  request.set_validate_only(true);
  const v1::Job job = MustCreate(request);
  EXPECT_EQ(job.name(), "");
  EXPECT_THAT(job.preflight().not_checked(),
              AllOf(HasSubstr("samples and options"), HasSubstr("was not checked")));
  EXPECT_THAT(host_.urls(), SizeIs(0));
}

TEST_F(JobServiceModelUriTest, AServerThatFetchesNothingSaysSo) {
  fetcher_.reset();
  RestartServer();
  ExpectRefused(UriRequest(), grpc::StatusCode::PERMISSION_DENIED, "this server fetches no models");
}

}  // namespace
}  // namespace kprune
