// What the tests of ArtifactService share: the service over real gRPC on loopback and a real folder.
#ifndef KPRUNE_TESTS_SERVER_RPC_ARTIFACT_SERVICE_FIXTURE_H_
#define KPRUNE_TESTS_SERVER_RPC_ARTIFACT_SERVICE_FIXTURE_H_

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "server/artifacts/local_tenant_artifacts.h"
#include "server/artifacts/sha256.h"
#include "server/grpc_endpoint.h"
#include "server/rpc/artifact_service.h"
#include "tests/fakes/fake_tenants.h"
#include "tests/fakes/open_gate.h"
#include "tests/support/process.h"

namespace kprune {

// Metrics as the sums of what was said. Thread-safe.
class CountingMetrics final : public Metrics {
 public:
  void OnJobFinished(std::string_view, std::string_view, double) override {}
  void OnSublayerPruned(SublayerKind, std::string_view, double) override {}
  void OnWorkerExit(std::string_view, std::string_view) override {}
  void OnBytesTransferred(Direction direction, int64_t bytes) override {
    (direction == Direction::kUpload ? uploaded : downloaded) += bytes;
  }
  void OnQuotaRefused(std::string_view quota) override {
    std::lock_guard lock(mutex_);
    quotas_.emplace_back(quota);
  }
  void OnTransferResumed(Direction direction) override {
    ++(direction == Direction::kUpload ? resumed_uploads : resumed_downloads);
  }
  void OnStreamOpened(std::string_view) override { ++open_streams; }
  void OnStreamClosed(std::string_view) override { --open_streams; }
  void OnRpcFinished(std::string_view method, std::string_view code, double seconds) override {
    std::lock_guard lock(mutex_);
    EXPECT_GE(seconds, 0);
    ++calls_[{std::string(method), std::string(code)}];
  }

  int Calls(const std::string& method, const std::string& code) {
    std::lock_guard lock(mutex_);
    return calls_[{"kprune.v1.ArtifactService/" + method, code}];
  }

  std::vector<std::string> refused_quotas() {
    std::lock_guard lock(mutex_);
    return quotas_;
  }

  // A call is counted a moment after its client has its answer.
  void WaitForCalls(const std::string& method, const std::string& code, int count) {
    EXPECT_TRUE(testing::Eventually([&] { return Calls(method, code) >= count; }));
  }

  std::atomic<int64_t> uploaded{0}, downloaded{0};
  std::atomic<int> resumed_uploads{0}, resumed_downloads{0}, open_streams{0};

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, int> calls_;  // by method and code; guarded by mutex_
  std::vector<std::string> quotas_;                           // refused; guarded by mutex_
};

// The service over a store in a folder of its own, on an ephemeral port, and its client. The calls may be
// made by several threads at once, except those that fill response_: Send and Upload.
class ArtifactServiceTest : public ::testing::Test {
 protected:
  static constexpr int64_t kMiB = 1 << 20;
  static constexpr int64_t kMaxArtifactBytes = 128 * kMiB;

  // In hexadecimal.
  static std::string Digest(std::string_view bytes) {
    Sha256 hash;
    hash.Update(bytes);
    return hash.HexDigest();
  }

  // The same for the same seed; the last size % 8 bytes are zero.
  static std::string RandomBytes(int64_t size, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string bytes(static_cast<size_t>(size), '\0');
    for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
      const uint64_t word = random();
      bytes.replace(i, 8, reinterpret_cast<const char*>(&word), 8);
    }
    return bytes;
  }

  ArtifactServiceTest() {
    LocalTenantArtifactsOptions options;
    options.data_dir = folder_.path();
    options.store.max_artifact_bytes = kMaxArtifactBytes;
    options.store.free_bytes = [this] { return free_bytes_.load(); };
    options.tenants = &tenants_;
    artifacts_ = LocalTenantArtifacts::Open(options).value();
    service_ = std::make_unique<ArtifactServiceImpl>(artifacts_.get(), &metrics_, &draining_, &gate_.gate);
    endpoint_ = GrpcEndpoint::Start("127.0.0.1:0", {service_.get()}, &metrics_).value();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(endpoint_->port()),
                                   grpc::InsecureChannelCredentials());
    stub_ = v1::ArtifactService::NewStub(channel_);
  }

  ~ArtifactServiceTest() override {
    endpoint_->Shutdown(absl::InfiniteFuture());
    endpoint_.reset();
    service_.reset();
  }

  static v1::UploadRequest Header(const std::string& sha256, int64_t size, int64_t offset = 0) {
    v1::UploadRequest request;
    request.mutable_header()->set_sha256(sha256);
    request.mutable_header()->set_size(size);
    request.mutable_header()->set_offset(offset);
    return request;
  }

  static v1::UploadRequest Chunk(std::string bytes) {
    v1::UploadRequest request;
    request.set_chunk(std::move(bytes));
    return request;
  }

  // Sends the messages, ends the stream and returns how the call ended.
  grpc::Status Send(const std::vector<v1::UploadRequest>& requests) {
    grpc::ClientContext context;
    response_.Clear();
    const auto writer = stub_->Upload(&context, &response_);
    for (const v1::UploadRequest& request : requests) {
      if (!writer->Write(request)) break;
    }
    writer->WritesDone();
    return writer->Finish();
  }

  // Sends `bytes` from `offset` on.
  grpc::Status Upload(const std::string& bytes, int64_t offset = 0) {
    grpc::ClientContext context;
    response_.Clear();
    const auto writer = stub_->Upload(&context, &response_);
    bool open = writer->Write(Header(Digest(bytes), static_cast<int64_t>(bytes.size()), offset));
    for (size_t at = static_cast<size_t>(offset); open && at < bytes.size(); at += kMiB) {
      open = writer->Write(Chunk(bytes.substr(at, kMiB)));
    }
    writer->WritesDone();
    return writer->Finish();
  }

  // Reads from `offset` to the end.
  grpc::Status Download(const std::string& sha256, int64_t offset, std::string* bytes) {
    grpc::ClientContext context;
    v1::DownloadRequest request;
    request.set_sha256(sha256);
    request.set_offset(offset);
    const auto reader = stub_->Download(&context, request);
    v1::DownloadResponse response;
    bytes->clear();
    while (reader->Read(&response)) {
      EXPECT_LE(static_cast<int64_t>(response.chunk().size()), kMaxChunkBytes);
      EXPECT_EQ(response.total_size() > 0, bytes->empty()) << "the size comes in the first message";
      bytes->append(response.chunk());
    }
    return reader->Finish();
  }

  v1::QueryUploadResponse Query(const std::string& sha256) {
    grpc::ClientContext context;
    v1::QueryUploadRequest request;
    request.set_sha256(sha256);
    v1::QueryUploadResponse response;
    const grpc::Status status = stub_->QueryUpload(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  const testing::TemporaryFolder folder_;
  std::atomic<int64_t> free_bytes_{int64_t{1} << 40};  // what the disk says
  CountingMetrics metrics_;
  absl::Notification draining_;
  OpenGate gate_{metrics_};
  FakeTenants tenants_;
  std::unique_ptr<LocalTenantArtifacts> artifacts_;
  std::unique_ptr<ArtifactServiceImpl> service_;
  std::unique_ptr<GrpcEndpoint> endpoint_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ArtifactService::Stub> stub_;
  v1::UploadResponse response_;  // of the last Send or Upload
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_SERVER_RPC_ARTIFACT_SERVICE_FIXTURE_H_
