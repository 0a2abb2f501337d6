// The conformance suite for every ArtifactStore: which uploads are accepted, refused, kept or removed. Its
// stores are named in artifact_store_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "kprune/artifact_store.h"
#include "tests/server/artifacts/artifact_store_fixture.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

TEST_P(ArtifactStoreTest, SizesThatAreNotPositiveOrTooLargeAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(store().BeginUpload(Digest("x"), 0, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store().BeginUpload(Digest("x"), -1, 0).status()));
  const absl::Status large = store().BeginUpload(Digest("x"), kMaxArtifactBytes + 1, 0).status();
  EXPECT_TRUE(absl::IsResourceExhausted(large));
  EXPECT_THAT(std::string(large.message()), HasSubstr("1001"));
  EXPECT_TRUE(Upload(std::string(kMaxArtifactBytes, 'x')).ok());
}

TEST_P(ArtifactStoreTest, AWrongOffsetIsAbortedWithTheCommittedSize) {
  const std::string sha256 = Digest(kText);
  { ASSERT_TRUE(store().BeginUpload(sha256, 42, 0).value()->Append("Some").ok()); }
  for (const int64_t offset : {0, 3, 5, 43, -1}) {
    const absl::Status status = store().BeginUpload(sha256, 42, offset).status();
    EXPECT_TRUE(absl::IsAborted(status)) << offset;
    EXPECT_THAT(std::string(status.message()), HasSubstr("committed size 4"));
  }
  EXPECT_EQ(Committed(sha256), 4);
}

TEST_P(ArtifactStoreTest, BytesPastTheDeclaredSizeAreOutOfRangeAndNotKept) {
  const std::string sha256 = Digest(kText);
  {
    std::unique_ptr<ArtifactUpload> upload = store().BeginUpload(sha256, 6, 0).value();
    ASSERT_TRUE(upload->Append("Some").ok());
    EXPECT_TRUE(absl::IsOutOfRange(upload->Append("abc")));
    EXPECT_EQ(upload->size_bytes(), 4);
  }
  EXPECT_EQ(Committed(sha256), 4);
}

TEST_P(ArtifactStoreTest, OtherBytesThanTheDigestSaysAreRefusedAndRemoved) {
  const std::string sha256 = Digest(kText);
  {
    std::unique_ptr<ArtifactUpload> upload = store().BeginUpload(sha256, 4, 0).value();
    ASSERT_TRUE(upload->Append("fake").ok());
    const absl::Status status = upload->Finish().status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr(Digest("fake")));
  }
  EXPECT_EQ(Committed(sha256), 0);
  EXPECT_TRUE(absl::IsNotFound(store().OpenForRead(sha256, 0).status()));
  EXPECT_TRUE(Upload(kText).ok());
}

TEST_P(ArtifactStoreTest, AnUploadThatEndsTooEarlyIsRefusedAndRemoved) {
  const std::string sha256 = Digest(kText);
  {
    std::unique_ptr<ArtifactUpload> upload = store().BeginUpload(sha256, 42, 0).value();
    ASSERT_TRUE(upload->Append("Some").ok());
    EXPECT_TRUE(absl::IsInvalidArgument(upload->Finish().status()));
  }
  EXPECT_EQ(Committed(sha256), 0);
}

TEST_P(ArtifactStoreTest, MoreCommittedThanDeclaredIsRefusedAndRemoved) {
  const std::string sha256 = Digest(kText);
  { ASSERT_TRUE(store().BeginUpload(sha256, 42, 0).value()->Append("Some").ok()); }
  EXPECT_TRUE(absl::IsInvalidArgument(store().BeginUpload(sha256, 3, 4).status()));
  EXPECT_EQ(Committed(sha256), 0);
}

TEST_P(ArtifactStoreTest, ADiscardedUploadLeavesNothing) {
  const std::string sha256 = Digest(kText);
  {
    std::unique_ptr<ArtifactUpload> upload = store().BeginUpload(sha256, 42, 0).value();
    ASSERT_TRUE(upload->Append("Some text that").ok());
    upload->Discard();
    EXPECT_EQ(Committed(sha256), 0);
    EXPECT_TRUE(store().BeginUpload(sha256, 42, 0).ok()) << "the digest is free again";
  }
}

TEST_P(ArtifactStoreTest, TheSecondWriterIsAbortedUntilTheFirstIsGone) {
  const std::string sha256 = Digest(kText);
  std::unique_ptr<ArtifactUpload> first = store().BeginUpload(sha256, 42, 0).value();
  const absl::Status second = store().BeginUpload(sha256, 42, 0).status();
  EXPECT_TRUE(absl::IsAborted(second));
  EXPECT_THAT(std::string(second.message()), HasSubstr("committed size of 0"));
  EXPECT_TRUE(store().BeginUpload(Digest("other"), 5, 0).ok()) << "other digests are free";
  first.reset();
  EXPECT_TRUE(store().BeginUpload(sha256, 42, 0).ok());
}

TEST_P(ArtifactStoreTest, AStoredArtifactNeedsNoUploadButItsOwnSize) {
  ASSERT_TRUE(Upload(kText).ok());
  for (const int64_t offset : {0, 7}) {
    const auto again = store().BeginUpload(Digest(kText), 42, offset);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, nullptr);
  }
  EXPECT_TRUE(absl::IsInvalidArgument(store().BeginUpload(Digest(kText), 41, 0).status()));
  EXPECT_EQ(Committed(Digest(kText)), 42);
}

TEST_P(ArtifactStoreTest, UploadsStopWhenTheDiskIsLow) {
  for (const char c : {'a', 'b', 'c', 'd'}) ASSERT_TRUE(Upload(std::string(1000, c)).ok());
  ASSERT_TRUE(Upload(std::string(500, 'e')).ok());
  const absl::Status status = Upload(std::string(501, 'f'));
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("disk low"));
  EXPECT_TRUE(Upload(std::string(500, 'f')).ok());
}

TEST_P(ArtifactStoreTest, ManyWritersOfOneDigestStoreItOnce) {
  const std::string sha256 = Digest(kText);
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back([&] {
      while (true) {
        auto upload = store().BeginUpload(sha256, 42, 0);
        if (absl::IsAborted(upload.status())) {
          std::this_thread::yield();
          continue;
        }
        ASSERT_TRUE(upload.ok()) << upload.status();
        if (*upload == nullptr) return;
        ASSERT_TRUE((*upload)->Append(kText).ok());
        ASSERT_TRUE((*upload)->Finish().ok());
        return;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(Download(sha256).value(), kText);
}

}  // namespace
}  // namespace kprune
