// What the tests of JobService share: the service over real gRPC on loopback, with the SQLite queue and a
// worker process that speaks the protocol.
#ifndef KPRUNE_TESTS_SERVER_RPC_JOB_SERVICE_FIXTURE_H_
#define KPRUNE_TESTS_SERVER_RPC_JOB_SERVICE_FIXTURE_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "server/artifacts/in_memory_tenant_artifacts.h"
#include "server/jobs/job_parts.h"
#include "server/jobs/process_worker_launcher.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/jobs/system_clock.h"
#include "server/rpc/job_service.h"
#include "tests/fakes/open_gate.h"
#include "tests/fakes/recording_metrics.h"
#include "tests/support/temp_directory.h"

namespace kprune {

// All of a server that jobs need, on an ephemeral port, and its client. Options that a test sets hold from
// the next StartServer on. The calls may be made by several threads at once.
class JobServiceTest : public ::testing::Test {
 protected:
  JobServiceTest() { StartServer(); }
  ~JobServiceTest() override { StopServer(); }

  void StartServer() {
    auto opened = OpenSqliteJobStore(folder_.path() / "jobs.db", store_options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    JobPartsOptions options;
    options.preflight = {folder_.path(), preflight_limit_};
    options.supervisor.work_dir = folder_.path();
    options.supervisor.grace_period = absl::Milliseconds(200);
    options.manager.max_files = 8;
    parts_ = std::make_unique<JobParts>(
        JobPartsContext{*store_, tenants_, launcher_, clock_, metrics_, fetcher_.get()}, options);
    service_ = std::make_unique<JobServiceImpl>(parts_->manager, *store_, gate_.gate, service_options_);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    stub_ = v1::JobService::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  }

  void StopServer() {
    if (!server_) return;
    service_->EndWatches();
    server_->Shutdown();
    server_.reset();
    service_.reset();
    parts_.reset();
    store_.reset();
  }

  void RestartServer() {
    StopServer();
    StartServer();
  }

  // Jobs stay QUEUED until this is called.
  void StartWorkers() { ASSERT_TRUE(parts_->supervisor.Start().ok()); }

  // Stores the bytes and names them in the request.
  void Add(google::protobuf::RepeatedPtrField<v1::File>* files, const std::string& name,
           const std::string& bytes) {
    const Artifact artifact = artifacts_.Put(bytes);
    v1::File* const file = files->Add();
    file->set_name(name);
    file->set_sha256(artifact.sha256);
    file->set_size(artifact.size_bytes);
  }

  // A request that is accepted, for a worker that behaves as `fake` says.
  v1::CreateJobRequest Request(const nlohmann::json& fake = nlohmann::json::object()) {
    v1::CreateJobRequest request;
    v1::JobSpec* const spec = request.mutable_spec();
    Add(spec->mutable_model(), "config.json", nlohmann::json{{"model_type", "bert"}, {"fake", fake}}.dump());
    Add(spec->mutable_model(), "model.safetensors", "weights");
    Add(spec->mutable_data(), "samples.jsonl", "{\"text\": \"a\"}\n");
    spec->mutable_options()->add_keep_flops(0.25);
    return request;
  }

  grpc::Status Create(const v1::CreateJobRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    return stub_->CreateJob(&context, request, job);
  }

  // Creates a job that must be accepted.
  v1::Job MustCreate(const v1::CreateJobRequest& request) {
    v1::Job job;
    const grpc::Status status = Create(request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }

  // The request fails with the code and a sentence that has these words, and queues nothing.
  void ExpectRefused(const v1::CreateJobRequest& request, grpc::StatusCode code,
                     const std::string& sentence) {
    v1::Job job;
    const grpc::Status status = Create(request, &job);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), ::testing::HasSubstr(sentence));
    EXPECT_THAT(ListAll(), ::testing::IsEmpty()) << "a refused job was queued";
  }

  // The names of all jobs, page by page; 0 leaves the size of a page to the server.
  std::vector<std::string> ListAll(int page_size = 0) {
    std::vector<std::string> names;
    v1::ListJobsRequest request;
    request.set_page_size(page_size);
    do {
      grpc::ClientContext context;
      v1::ListJobsResponse response;
      const grpc::Status status = stub_->ListJobs(&context, request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      for (const v1::Job& job : response.jobs()) names.push_back(job.name());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return names;
  }

  // Reads at most `limit` events and hangs up; `status` gets how the stream ended.
  std::vector<v1::Event> Watch(const std::string& name, int64_t after, int limit,
                               grpc::Status* status = nullptr) {
    grpc::ClientContext context;
    v1::WatchJobRequest request;
    request.set_name(name);
    request.set_after_sequence(after);
    auto reader = stub_->WatchJob(&context, request);
    std::vector<v1::Event> events;
    v1::Event event;
    while (static_cast<int>(events.size()) < limit && reader->Read(&event)) events.push_back(event);
    if (static_cast<int>(events.size()) == limit) context.TryCancel();
    const grpc::Status end = reader->Finish();
    if (status != nullptr) *status = end;
    return events;
  }

  grpc::Status Get(const std::string& name, v1::Job* job) {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_name(name);
    return stub_->GetJob(&context, request, job);
  }

  grpc::Status Cancel(const std::string& name, v1::Job* job, bool keep_partial = false) {
    grpc::ClientContext context;
    v1::CancelJobRequest request;
    request.set_name(name);
    request.set_keep_partial(keep_partial);
    return stub_->CancelJob(&context, request, job);
  }

  grpc::Status Retry(const std::string& name, v1::Job* job) {
    grpc::ClientContext context;
    v1::RetryJobRequest request;
    request.set_name(name);
    return stub_->RetryJob(&context, request, job);
  }

  grpc::Status Delete(const std::string& name) {
    grpc::ClientContext context;
    v1::DeleteJobRequest request;
    request.set_name(name);
    google::protobuf::Empty empty;
    return stub_->DeleteJob(&context, request, &empty);
  }

  // The store's name of a job: without "jobs/".
  static std::string Id(const v1::Job& job) { return job.name().substr(5); }

  TempDirectory folder_;
  JobStoreOptions store_options_;
  JobServiceOptions service_options_;
  absl::Duration preflight_limit_ = absl::Minutes(1);
  InMemoryTenantArtifacts tenants_;
  InMemoryArtifactStore& artifacts_ = tenants_.Store(kDefaultTenant);
  ProcessWorkerLauncher launcher_{std::filesystem::path(KPRUNE_BIN_DIR) / "fake_worker"};
  SystemClock clock_;
  RecordingMetrics metrics_;
  std::unique_ptr<ModelFetcher> fetcher_;  // null: no model is fetched
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<JobParts> parts_;
  OpenGate gate_{metrics_};
  std::unique_ptr<JobServiceImpl> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::JobService::Stub> stub_;
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_SERVER_RPC_JOB_SERVICE_FIXTURE_H_
