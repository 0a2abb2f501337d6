// ArtifactService over real gRPC on loopback and a real folder.
#include "server/rpc/artifact_service.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "server/artifacts/local_artifact_store.h"
#include "server/artifacts/sha256.h"
#include "server/grpc_endpoint.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::Eventually;
using ::testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kMaxArtifactBytes = 128 * kMiB;

std::string Digest(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

std::string RandomBytes(int64_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(static_cast<size_t>(size), '\0');
  for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    const uint64_t word = random();
    bytes.replace(i, 8, reinterpret_cast<const char*>(&word), 8);
  }
  return bytes;
}

int OpenDescriptors() {
  return static_cast<int>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

class RecordingMetrics final : public Metrics {
 public:
  void OnJobFinished(std::string_view, double) override {}
  void OnSublayerPruned(SublayerKind, double) override {}
  void OnWorkerExit(std::string_view) override {}
  void OnBytesTransferred(Direction direction, int64_t bytes) override {
    (direction == Direction::kUpload ? uploaded : downloaded) += bytes;
  }
  void OnRpcFinished(std::string_view method, std::string_view code, double seconds) override {
    std::lock_guard lock(mutex_);
    EXPECT_GE(seconds, 0);
    ++calls_[{std::string(method), std::string(code)}];
  }

  int Calls(const std::string& method, const std::string& code) {
    std::lock_guard lock(mutex_);
    return calls_[{"kprune.v1.ArtifactService/" + method, code}];
  }

  // A call is counted a moment after its client has its answer.
  void WaitForCalls(const std::string& method, const std::string& code, int count) {
    EXPECT_TRUE(testing::Eventually([&] { return Calls(method, code) >= count; }));
  }

  std::atomic<int64_t> uploaded{0}, downloaded{0};

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, int> calls_;
};

class ArtifactServiceTest : public ::testing::Test {
 protected:
  ArtifactServiceTest() {
    std::string name = (fs::temp_directory_path() / "artifact_service_test.XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    LocalArtifactStoreOptions options;
    options.folder = folder_;
    options.max_artifact_bytes = kMaxArtifactBytes;
    options.free_bytes = [this] { return free_bytes_.load(); };
    store_ = LocalArtifactStore::Open(options).value();
    service_ = std::make_unique<ArtifactServiceImpl>(store_.get(), &metrics_, &draining_);
    endpoint_ = GrpcEndpoint::Start("127.0.0.1:0", {service_.get()}, &metrics_).value();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(endpoint_->port()),
                                   grpc::InsecureChannelCredentials());
    stub_ = v1::ArtifactService::NewStub(channel_);
  }

  ~ArtifactServiceTest() override {
    endpoint_->Shutdown(absl::InfiniteFuture());
    endpoint_.reset();
    service_.reset();
    fs::remove_all(folder_);
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

  fs::path folder_;
  std::atomic<int64_t> free_bytes_{int64_t{1} << 40};
  RecordingMetrics metrics_;
  absl::Notification draining_;
  std::unique_ptr<LocalArtifactStore> store_;
  std::unique_ptr<ArtifactServiceImpl> service_;
  std::unique_ptr<GrpcEndpoint> endpoint_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ArtifactService::Stub> stub_;
  v1::UploadResponse response_;
};

TEST_F(ArtifactServiceTest, Examples) {
  const std::string bytes = RandomBytes(3 * kMiB + 8, 1);
  const std::string sha256 = Digest(bytes);
  grpc::ClientContext context;
  v1::FindMissingRequest request;
  request.add_sha256(sha256);
  v1::FindMissingResponse missing;
  ASSERT_TRUE(stub_->FindMissing(&context, request, &missing).ok());
  EXPECT_THAT(missing.sha256(), ElementsAre(sha256));

  ASSERT_TRUE(Upload(bytes).ok());
  EXPECT_EQ(response_.sha256(), sha256);
  EXPECT_EQ(response_.size(), static_cast<int64_t>(bytes.size()));
  EXPECT_FALSE(response_.already_stored());
  EXPECT_TRUE(Query(sha256).complete());
  EXPECT_EQ(Query(sha256).committed_size(), static_cast<int64_t>(bytes.size()));

  std::string downloaded;
  ASSERT_TRUE(Download(sha256, 0, &downloaded).ok());
  EXPECT_TRUE(downloaded == bytes);
  ASSERT_TRUE(Download(sha256, kMiB + 3, &downloaded).ok());
  EXPECT_TRUE(downloaded == bytes.substr(kMiB + 3));
}

TEST_F(ArtifactServiceTest, SixtyFourMebibytesComeBackAsTheyWentAndAreCounted) {
  const std::string bytes = RandomBytes(64 * kMiB, 2);
  ASSERT_TRUE(Upload(bytes).ok());
  std::string downloaded;
  ASSERT_TRUE(Download(Digest(bytes), 0, &downloaded).ok());
  EXPECT_TRUE(downloaded == bytes);
  EXPECT_EQ(metrics_.uploaded, 64 * kMiB);
  EXPECT_EQ(metrics_.downloaded, 64 * kMiB);
  metrics_.WaitForCalls("Upload", "OK", 1);
  metrics_.WaitForCalls("Download", "OK", 1);
}

TEST_F(ArtifactServiceTest, AStoredArtifactIsNotSentAgain) {
  const std::string bytes = RandomBytes(8 * kMiB, 3);
  ASSERT_TRUE(Upload(bytes).ok());
  ASSERT_TRUE(Upload(bytes).ok());
  EXPECT_TRUE(response_.already_stored());
  EXPECT_EQ(response_.size(), 8 * kMiB);
  EXPECT_EQ(metrics_.uploaded, 8 * kMiB);
}

TEST_F(ArtifactServiceTest, ABrokenUploadKeepsItsBytesHoldsNothingOpenAndGoesOn) {
  const std::string bytes = RandomBytes(4 * kMiB, 4);
  const std::string sha256 = Digest(bytes);
  Query(sha256);  // the connection is up
  const int descriptors = OpenDescriptors();
  {
    grpc::ClientContext context;
    const auto writer = stub_->Upload(&context, &response_);
    ASSERT_TRUE(writer->Write(Header(sha256, 4 * kMiB)));
    ASSERT_TRUE(writer->Write(Chunk(bytes.substr(0, kMiB))));
    ASSERT_TRUE(writer->Write(Chunk(bytes.substr(kMiB, kMiB))));
    ASSERT_TRUE(Eventually([&] { return metrics_.uploaded == 2 * kMiB; }));
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  ASSERT_TRUE(Eventually([&] { return Query(sha256).committed_size() == 2 * kMiB; }));
  EXPECT_TRUE(Eventually([&] { return OpenDescriptors() <= descriptors; }));
  EXPECT_EQ(Query(sha256).committed_size(), 2 * kMiB);
  EXPECT_FALSE(Query(sha256).complete());

  grpc::Status status = Upload(bytes, 2 * kMiB);
  ASSERT_TRUE(status.ok()) << status.error_message();
  std::string downloaded;
  ASSERT_TRUE(Download(sha256, 0, &downloaded).ok());
  EXPECT_TRUE(downloaded == bytes);
  EXPECT_EQ(metrics_.uploaded, 4 * kMiB) << "nothing was sent twice";
}

TEST_F(ArtifactServiceTest, ACancelledDownloadHoldsNothingOpen) {
  const std::string bytes = RandomBytes(16 * kMiB, 5);
  ASSERT_TRUE(Upload(bytes).ok());
  const int descriptors = OpenDescriptors();
  {
    grpc::ClientContext context;
    v1::DownloadRequest request;
    request.set_sha256(Digest(bytes));
    const auto reader = stub_->Download(&context, request);
    v1::DownloadResponse response;
    ASSERT_TRUE(reader->Read(&response));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  metrics_.WaitForCalls("Download", "CANCELLED", 1);
  EXPECT_TRUE(Eventually([&] { return OpenDescriptors() <= descriptors; }));
  EXPECT_LT(metrics_.downloaded, 16 * kMiB) << "what nobody reads is not read ahead";
}

// What is refused, with which status and which words.
struct Refusal {
  const char* name;
  std::vector<v1::UploadRequest> requests;
  grpc::StatusCode code;
  const char* words;
};

TEST_F(ArtifactServiceTest, RefusedUploadsSayWhatIsWrongAndLeaveNothing) {
  const std::string sha256 = Digest("some bytes");
  const std::vector<Refusal> refusals = {
      {"malformed digest",
       {Header("ABC", 10)},
       grpc::StatusCode::INVALID_ARGUMENT,
       "64 lower-case hexadecimal"},
      {"path as digest",
       {Header("../../etc/passwd", 10)},
       grpc::StatusCode::INVALID_ARGUMENT,
       "64 lower-case"},
      {"negative size", {Header(sha256, -1)}, grpc::StatusCode::INVALID_ARGUMENT, "must be positive"},
      {"zero size", {Header(sha256, 0)}, grpc::StatusCode::INVALID_ARGUMENT, "must be positive"},
      {"too large",
       {Header(sha256, kMaxArtifactBytes + 1)},
       grpc::StatusCode::RESOURCE_EXHAUSTED,
       "at most 134217728"},
      {"wrong offset", {Header(sha256, 10, 3)}, grpc::StatusCode::ABORTED, "committed size 0"},
      {"negative offset", {Header(sha256, 10, -3)}, grpc::StatusCode::ABORTED, "committed size 0"},
      {"other bytes", {Header(sha256, 4), Chunk("fake")}, grpc::StatusCode::INVALID_ARGUMENT, "have SHA-256"},
      {"past the size",
       {Header(sha256, 4), Chunk("12345")},
       grpc::StatusCode::OUT_OF_RANGE,
       "past the 4 bytes"},
      {"large chunk",
       {Header(sha256, 2 * kMiB), Chunk(std::string(kMiB + 1, 'x'))},
       grpc::StatusCode::RESOURCE_EXHAUSTED,
       "at most 1048576"},
      {"no message", {}, grpc::StatusCode::INVALID_ARGUMENT, "header"},
      {"no header", {Chunk("x")}, grpc::StatusCode::INVALID_ARGUMENT, "no header"},
      {"two headers",
       {Header(sha256, 10), Header(sha256, 10)},
       grpc::StatusCode::INVALID_ARGUMENT,
       "no chunk"},
      {"empty message", {Header(sha256, 10), {}}, grpc::StatusCode::INVALID_ARGUMENT, "no chunk"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.name);
    const grpc::Status status = Send(refusal.requests);
    EXPECT_EQ(status.error_code(), refusal.code);
    EXPECT_THAT(status.error_message(), HasSubstr(refusal.words));
    EXPECT_EQ(Query(sha256).committed_size(), 0);
  }
  EXPECT_TRUE(Upload("some bytes").ok()) << "the digest is free";
}

TEST_F(ArtifactServiceTest, AnUploadThatEndsTooEarlyIsRefusedAndRemoved) {
  const std::string sha256 = Digest("some bytes");
  const grpc::Status status = Send({Header(sha256, 10), Chunk("some")});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("4 of its declared 10"));
  EXPECT_TRUE(Eventually([&] { return !fs::exists(folder_ / "partial" / sha256); }));
  EXPECT_EQ(Query(sha256).committed_size(), 0);
}

TEST_F(ArtifactServiceTest, TheSecondWriterLearnsTheCommittedSize) {
  const std::string sha256 = Digest("some bytes");
  grpc::ClientContext context;
  v1::UploadResponse response;
  const auto writer = stub_->Upload(&context, &response);
  ASSERT_TRUE(writer->Write(Header(sha256, 10)));
  ASSERT_TRUE(writer->Write(Chunk("some")));
  ASSERT_TRUE(Eventually([&] { return metrics_.uploaded == 4; }));
  const grpc::Status second = Upload("some bytes");
  EXPECT_EQ(second.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(second.error_message(), HasSubstr("committed size of 0"));
  ASSERT_TRUE(writer->Write(Chunk(" bytes")));
  writer->WritesDone();
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_TRUE(Upload("some bytes").ok());
  EXPECT_TRUE(response_.already_stored());
}

TEST_F(ArtifactServiceTest, RefusedDownloadsSayWhatIsWrong) {
  ASSERT_TRUE(Upload("some bytes").ok());
  const std::string sha256 = Digest("some bytes");
  std::string bytes;
  EXPECT_EQ(Download("xyz", 0, &bytes).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Download(Digest("other"), 0, &bytes).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Download(sha256, 11, &bytes).error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(Download(sha256, -1, &bytes).error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_TRUE(Download(sha256, 10, &bytes).ok());
  EXPECT_EQ(bytes, "");
}

TEST_F(ArtifactServiceTest, ACorruptArtifactIsDataLossThenMissing) {
  const std::string bytes = RandomBytes(3 * kMiB, 6);
  const std::string sha256 = Digest(bytes);
  ASSERT_TRUE(Upload(bytes).ok());
  const fs::path object = folder_ / "objects" / sha256.substr(0, 2) / sha256;
  fs::permissions(object, fs::perms::owner_write, fs::perm_options::add);
  std::fstream(object, std::ios::in | std::ios::out | std::ios::binary).seekp(2 * kMiB).write("flip", 4);
  std::string downloaded;
  const grpc::Status status = Download(sha256, 0, &downloaded);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(status.error_message(), HasSubstr("upload it again"));
  EXPECT_EQ(Download(sha256, 0, &downloaded).error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(Upload(bytes).ok());
  EXPECT_TRUE(Download(sha256, 0, &downloaded).ok());
}

TEST_F(ArtifactServiceTest, ALowDiskRefusesUploadsAndNamesTheCause) {
  free_bytes_ = 5;
  const grpc::Status status = Upload("some bytes");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("disk low"));
}

TEST_F(ArtifactServiceTest, FindMissingTakesTenThousandDigestsAndNoMore) {
  v1::FindMissingRequest request;
  for (int i = 0; i < kMaxDigestsPerCall; ++i) request.add_sha256(Digest(std::to_string(i)));
  v1::FindMissingResponse missing;
  grpc::ClientContext first;
  ASSERT_TRUE(stub_->FindMissing(&first, request, &missing).ok());
  EXPECT_EQ(missing.sha256_size(), kMaxDigestsPerCall);
  request.add_sha256(Digest("one more"));
  grpc::ClientContext second;
  EXPECT_EQ(stub_->FindMissing(&second, request, &missing).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.clear_sha256();
  request.add_sha256("short");
  grpc::ClientContext third;
  EXPECT_EQ(stub_->FindMissing(&third, request, &missing).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ArtifactServiceTest, ADrainingServerTakesNoNewUploadButStillAnswers) {
  ASSERT_TRUE(Upload("some bytes").ok());
  draining_.Notify();
  EXPECT_EQ(Upload("other bytes").error_code(), grpc::StatusCode::UNAVAILABLE);
  std::string bytes;
  EXPECT_TRUE(Download(Digest("some bytes"), 0, &bytes).ok());
}

TEST_F(ArtifactServiceTest, ManyStreamsAtOnceAllArrive) {
  std::vector<std::thread> clients;
  std::atomic<int> arrived{0};
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&, i] {
      const std::string bytes = RandomBytes(2 * kMiB + 8 * i, static_cast<uint64_t>(100 + i));
      grpc::ClientContext context;
      v1::UploadResponse response;
      const auto writer = stub_->Upload(&context, &response);
      writer->Write(Header(Digest(bytes), static_cast<int64_t>(bytes.size())));
      for (size_t at = 0; at < bytes.size(); at += kMiB / 2) writer->Write(Chunk(bytes.substr(at, kMiB / 2)));
      writer->WritesDone();
      std::string downloaded;
      if (writer->Finish().ok() && Download(Digest(bytes), 0, &downloaded).ok() && downloaded == bytes)
        ++arrived;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(arrived, 8);
}

}  // namespace
}  // namespace kprune
