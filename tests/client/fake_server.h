// A server in this process: artifacts in memory and one job whose events are given, with connections that
// break on demand.
#ifndef KPRUNE_TESTS_CLIENT_FAKE_SERVER_H_
#define KPRUNE_TESTS_CLIENT_FAKE_SERVER_H_

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client/file_digest.h"
#include "kprune/v1/artifact_service.grpc.pb.h"
#include "kprune/v1/job_service.grpc.pb.h"
#include "kprune/v1/server_service.grpc.pb.h"

namespace kprune::client {

inline std::string DigestOf(const std::string& bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

class FakeArtifacts final : public kprune::v1::ArtifactService::Service {
 public:
  // Guarded by mutex.
  std::mutex mutex;
  std::map<std::string, std::string> stored;
  std::map<std::string, std::string> partial;
  std::vector<int64_t> upload_offsets;    // of every Upload that began
  std::vector<int64_t> download_offsets;  // of every Download
  int breaks = 0;                         // transfers that still break after their first chunk
  int corruptions = 0;                    // downloads that still flip their first byte

  std::string Store(const std::string& bytes) {
    const std::lock_guard<std::mutex> lock(mutex);
    const std::string digest = DigestOf(bytes);
    stored[digest] = bytes;
    return digest;
  }

  grpc::Status FindMissing(grpc::ServerContext*, const kprune::v1::FindMissingRequest* request,
                           kprune::v1::FindMissingResponse* response) override {
    const std::lock_guard<std::mutex> lock(mutex);
    for (const std::string& digest : request->sha256()) {
      if (stored.count(digest) == 0) response->add_sha256(digest);
    }
    return grpc::Status::OK;
  }

  grpc::Status QueryUpload(grpc::ServerContext*, const kprune::v1::QueryUploadRequest* request,
                           kprune::v1::QueryUploadResponse* response) override {
    const std::lock_guard<std::mutex> lock(mutex);
    response->set_complete(stored.count(request->sha256()) != 0);
    response->set_committed_size(static_cast<int64_t>(partial[request->sha256()].size()));
    return grpc::Status::OK;
  }

  grpc::Status Upload(grpc::ServerContext*, grpc::ServerReader<kprune::v1::UploadRequest>* reader,
                      kprune::v1::UploadResponse* response) override {
    kprune::v1::UploadRequest request;
    reader->Read(&request);
    const auto header = request.header();
    const std::lock_guard<std::mutex> lock(mutex);
    upload_offsets.push_back(header.offset());
    std::string& bytes = partial[header.sha256()];
    if (header.offset() != static_cast<int64_t>(bytes.size())) {
      return {grpc::StatusCode::ABORTED, "offset is not the committed size"};
    }
    while (reader->Read(&request)) {
      bytes += request.chunk();
      if (breaks > 0 && breaks-- > 0) return {grpc::StatusCode::UNAVAILABLE, "Connection reset by peer"};
    }
    if (DigestOf(bytes) != header.sha256()) return {grpc::StatusCode::INVALID_ARGUMENT, "digest mismatch"};
    response->set_sha256(header.sha256());
    stored[header.sha256()] = bytes;
    return grpc::Status::OK;
  }

  grpc::Status Download(grpc::ServerContext*, const kprune::v1::DownloadRequest* request,
                        grpc::ServerWriter<kprune::v1::DownloadResponse>* writer) override {
    const std::lock_guard<std::mutex> lock(mutex);
    download_offsets.push_back(request->offset());
    if (stored.count(request->sha256()) == 0) return {grpc::StatusCode::NOT_FOUND, "no such artifact"};
    std::string bytes = stored[request->sha256()];
    if (corruptions > 0 && corruptions-- > 0) bytes[0] ^= 1;
    for (size_t at = static_cast<size_t>(request->offset()); at < bytes.size(); at += kChunk) {
      kprune::v1::DownloadResponse response;
      response.set_chunk(bytes.substr(at, kChunk));
      writer->Write(response);
      if (breaks > 0 && breaks-- > 0) return {grpc::StatusCode::UNAVAILABLE, "Connection reset by peer"};
    }
    return grpc::Status::OK;
  }

 private:
  static constexpr size_t kChunk = 1 << 20;
};

class FakeJobs final : public kprune::v1::JobService::Service {
 public:
  // Guarded by mutex.
  std::mutex mutex;
  kprune::v1::Job job;                    // answers every call
  std::vector<kprune::v1::Event> events;  // numbered from 1
  std::vector<size_t> watches;            // how many events each WatchJob sends before it breaks; then all
  std::vector<int64_t> watched_after;     // after_sequence of every WatchJob
  std::vector<kprune::v1::CreateJobRequest> created;
  int create_breaks = 0;           // CreateJob calls that still answer UNAVAILABLE after doing their work
  std::vector<std::string> calls;  // "CancelJob jobs/1"

  void AddEvent(kprune::v1::Event event) {
    event.set_sequence(static_cast<int64_t>(events.size()) + 1);
    event.mutable_time()->set_seconds(1767225600 + static_cast<int64_t>(events.size()));
    events.push_back(event);
  }

  grpc::Status CreateJob(grpc::ServerContext*, const kprune::v1::CreateJobRequest* request,
                         kprune::v1::Job* response) override {
    const std::lock_guard<std::mutex> lock(mutex);
    created.push_back(*request);
    if (create_breaks > 0 && create_breaks-- > 0) return {grpc::StatusCode::UNAVAILABLE, "Socket closed"};
    *response = job;
    return grpc::Status::OK;
  }

  grpc::Status GetJob(grpc::ServerContext*, const kprune::v1::GetJobRequest* request,
                      kprune::v1::Job* response) override {
    return Answer("GetJob", request->name(), response);
  }
  grpc::Status CancelJob(grpc::ServerContext*, const kprune::v1::CancelJobRequest* request,
                         kprune::v1::Job* response) override {
    return Answer(request->keep_partial() ? "CancelJob (keep partial)" : "CancelJob", request->name(),
                  response);
  }
  grpc::Status RetryJob(grpc::ServerContext*, const kprune::v1::RetryJobRequest* request,
                        kprune::v1::Job* response) override {
    return Answer("RetryJob", request->name(), response);
  }
  grpc::Status DeleteJob(grpc::ServerContext*, const kprune::v1::DeleteJobRequest* request,
                         google::protobuf::Empty*) override {
    return Answer("DeleteJob", request->name(), nullptr);
  }

  // Two jobs in pages of one.
  grpc::Status ListJobs(grpc::ServerContext*, const kprune::v1::ListJobsRequest* request,
                        kprune::v1::ListJobsResponse* response) override {
    const std::lock_guard<std::mutex> lock(mutex);
    *response->add_jobs() = job;
    if (!request->page_token().empty()) response->mutable_jobs(0)->set_name("jobs/older");
    if (request->page_token().empty()) response->set_next_page_token("older");
    return grpc::Status::OK;
  }

  grpc::Status WatchJob(grpc::ServerContext* context, const kprune::v1::WatchJobRequest* request,
                        grpc::ServerWriter<kprune::v1::Event>* writer) override {
    const std::lock_guard<std::mutex> lock(mutex);
    const size_t turn = watched_after.size();
    watched_after.push_back(request->after_sequence());
    size_t left = turn < watches.size() ? watches[turn] : events.size() + 1;
    for (const auto& event : events) {
      if (event.sequence() <= request->after_sequence()) continue;
      if (left-- == 0) break;
      writer->Write(event);
    }
    return turn < watches.size() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed")
                                 : grpc::Status::OK;
  }

 private:
  grpc::Status Answer(const std::string& call, const std::string& name, kprune::v1::Job* response) {
    const std::lock_guard<std::mutex> lock(mutex);
    calls.push_back(call + " " + name);
    if (name != job.name()) return {grpc::StatusCode::NOT_FOUND, name + " does not exist"};
    if (response != nullptr) *response = job;
    return grpc::Status::OK;
  }
};

class FakeServer {
 public:
  FakeServer() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&artifacts);
    builder.RegisterService(&jobs);
    server_ = builder.BuildAndStart();
    address = "127.0.0.1:" + std::to_string(port);
  }
  ~FakeServer() { server_->Shutdown(); }

  FakeArtifacts artifacts;
  FakeJobs jobs;
  std::string address;

 private:
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace kprune::client

#endif  // KPRUNE_TESTS_CLIENT_FAKE_SERVER_H_
