// Transfers that ArtifactService accepts: whole, resumed, broken off, many at once. Refusals are in
// artifact_service_refusal_test.cc.
#include "server/rpc/artifact_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/rpc/artifact_service_fixture.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::Eventually;

int OpenDescriptors() {
  return static_cast<int>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

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
    EXPECT_EQ(metrics_.open_streams, 1);
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
  EXPECT_EQ(metrics_.resumed_uploads, 1);
  EXPECT_EQ(metrics_.resumed_downloads, 0);
  ASSERT_TRUE(Download(sha256, kMiB, &downloaded).ok());
  EXPECT_EQ(metrics_.resumed_downloads, 1);
  EXPECT_TRUE(Eventually([&] { return metrics_.open_streams == 0; }));
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
