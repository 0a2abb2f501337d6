// What ArtifactService refuses, with which status and which words, and that a refusal leaves nothing.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/server/rpc/artifact_service_fixture.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using testing::Eventually;
using ::testing::HasSubstr;

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
  EXPECT_TRUE(Eventually([&] { return !fs::exists(folder_ / "artifacts" / "partial" / sha256); }));
  EXPECT_EQ(Query(sha256).committed_size(), 0);
}

TEST_F(ArtifactServiceTest, AStoredArtifactHasItsOwnSizeAlone) {
  ASSERT_TRUE(Upload("some bytes").ok());
  const grpc::Status status = Send({Header(Digest("some bytes"), 11)});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("stored with 10 bytes"));
  EXPECT_TRUE(Query(Digest("some bytes")).complete());
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
  const fs::path object = folder_ / "artifacts" / "objects" / sha256.substr(0, 2) / sha256;
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

}  // namespace
}  // namespace kprune
