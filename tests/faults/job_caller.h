// A client of kprune-server that stays on while servers die: calls wait for the next one.
#ifndef KPRUNE_TESTS_FAULTS_JOB_CALLER_H_
#define KPRUNE_TESTS_FAULTS_JOB_CALLER_H_

#include <grpcpp/create_channel.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kprune/v1/artifact_service.grpc.pb.h"
#include "kprune/v1/job_service.grpc.pb.h"
#include "server/artifacts/sha256.h"

namespace kprune::testing {

inline std::string Sha256Of(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

// Thread-safe.
class JobCaller {
 public:
  explicit JobCaller(const std::string& address, grpc::ChannelArguments arguments = {}) {
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
    // Also how long connecting may take, which on a busy machine is not nothing.
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20'000);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
    // A connection of its own for each caller.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
    artifacts_ = v1::ArtifactService::NewStub(channel_);
    jobs_ = v1::JobService::NewStub(channel_);
  }

  v1::ArtifactService::Stub& artifacts() { return *artifacts_; }
  v1::JobService::Stub& jobs() { return *jobs_; }

  // For calls that wait for a server.
  static void Prepare(grpc::ClientContext& context) {
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  }

  // One try.
  grpc::Status TryUpload(const std::string& bytes) {
    grpc::ClientContext context;
    Prepare(context);
    v1::UploadResponse response;
    const auto writer = artifacts_->Upload(&context, &response);
    v1::UploadRequest request;
    request.mutable_header()->set_sha256(Sha256Of(bytes));
    request.mutable_header()->set_size(static_cast<int64_t>(bytes.size()));
    writer->Write(request);
    request.set_chunk(bytes);
    writer->Write(request);
    writer->WritesDone();
    return writer->Finish();
  }

  static v1::File FileOf(const std::string& name, const std::string& bytes) {
    v1::File file;
    file.set_name(name);
    file.set_sha256(Sha256Of(bytes));
    file.set_size(static_cast<int64_t>(bytes.size()));
    return file;
  }

  // The files of a job whose worker behaves as `fake` says.
  static std::vector<std::string> FilesOf(const std::string& fake) {
    return {"{\"fake\": " + fake + "}", "not looked at by the stand-in", "{\"text\": \"a sentence\"}\n"};
  }

  // Uploads what is needed and creates the job. One try.
  grpc::Status TryCreate(const std::string& fake, const std::string& request_id, v1::Job* job) {
    const std::vector<std::string> files = FilesOf(fake);
    for (const std::string& bytes : files) {
      if (const grpc::Status status = TryUpload(bytes); !status.ok()) return status;
    }
    v1::CreateJobRequest request;
    *request.mutable_spec()->add_model() = FileOf("config.json", files[0]);
    *request.mutable_spec()->add_model() = FileOf("model.safetensors", files[1]);
    *request.mutable_spec()->add_data() = FileOf("samples.jsonl", files[2]);
    request.set_request_id(request_id);
    grpc::ClientContext context;
    Prepare(context);
    return jobs_->CreateJob(&context, request, job);
  }

  std::optional<v1::Job> Get(const std::string& name) {
    grpc::ClientContext context;
    Prepare(context);
    v1::GetJobRequest request;
    request.set_name(name);
    v1::Job job;
    if (!jobs_->GetJob(&context, request, &job).ok()) return std::nullopt;
    return job;
  }

  // Every event of a finished job.
  std::vector<v1::Event> Events(const std::string& name) {
    grpc::ClientContext context;
    Prepare(context);
    v1::WatchJobRequest request;
    request.set_name(name);
    const auto reader = jobs_->WatchJob(&context, request);
    std::vector<v1::Event> events;
    for (v1::Event event; reader->Read(&event);) events.push_back(event);
    if (!reader->Finish().ok()) events.clear();
    return events;
  }

  // All of them, over all pages.
  std::vector<std::string> ListNames() {
    std::vector<std::string> names;
    v1::ListJobsRequest request;
    request.set_page_size(1000);
    do {
      grpc::ClientContext context;
      Prepare(context);
      v1::ListJobsResponse page;
      if (!jobs_->ListJobs(&context, request, &page).ok()) return {};
      for (const v1::Job& job : page.jobs()) names.push_back(job.name());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return names;
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ArtifactService::Stub> artifacts_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_FAULTS_JOB_CALLER_H_
