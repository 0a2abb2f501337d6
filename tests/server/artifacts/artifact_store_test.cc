// One conformance suite for every ArtifactStore: what it keeps, how it gives it back, and what it says when
// that is broken. The rules of uploads are in artifact_store_upload_test.cc.
#include "kprune/artifact_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "tests/server/artifacts/artifact_store_fixture.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// For the tests of artifact_store_upload_test.cc too.
INSTANTIATE_TEST_SUITE_P(Stores, ArtifactStoreTest, ::testing::Values("local", "encrypted", "in_memory"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(ArtifactStoreTest, Examples) {
  const std::string sha256 = Digest(kText);
  const int64_t size = static_cast<int64_t>(sizeof kText - 1);
  EXPECT_THAT(store().FindMissing({sha256}).value(), ElementsAre(sha256));

  // An upload that breaks after ten bytes...
  {
    std::unique_ptr<ArtifactUpload> upload = store().BeginUpload(sha256, size, 0).value();
    ASSERT_TRUE(upload->Append(std::string_view(kText, 10)).ok());
  }
  EXPECT_EQ(store().Query(sha256).value().committed_bytes, 10);
  EXPECT_FALSE(store().Query(sha256).value().complete);

  // ... goes on at the eleventh.
  {
    std::unique_ptr<ArtifactUpload> upload = store().BeginUpload(sha256, size, 10).value();
    ASSERT_TRUE(upload->Append(std::string_view(kText).substr(10)).ok());
    const absl::StatusOr<Artifact> artifact = upload->Finish();
    ASSERT_TRUE(artifact.ok()) << artifact.status();
    EXPECT_EQ(artifact->sha256, sha256);
    EXPECT_EQ(artifact->size_bytes, size);
  }
  EXPECT_THAT(store().FindMissing({sha256}).value(), IsEmpty());
  EXPECT_TRUE(store().Query(sha256).value().complete);
  EXPECT_EQ(Download(sha256).value(), kText);

  // A job gets it as a file of its own directory.
  ASSERT_TRUE(store().LinkTo(sha256, folder_ / "model.safetensors").ok());
  std::ifstream linked(folder_ / "model.safetensors", std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(linked), {}), kText);

  ASSERT_TRUE(store().Delete(sha256).ok());
  EXPECT_THAT(store().FindMissing({sha256}).value(), ElementsAre(sha256));
}

TEST_P(ArtifactStoreTest, MalformedDigestsAreRefusedEverywhere) {
  for (const std::string& bad :
       {std::string(), std::string("../../etc/passwd"), std::string(63, 'a'), std::string(65, 'a'),
        std::string(64, 'A'), std::string(64, 'g'), std::string(63, 'a') + "/"}) {
    SCOPED_TRACE(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(store().FindMissing({Digest("x"), bad}).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(store().Query(bad).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(store().BeginUpload(bad, 1, 0).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(store().OpenForRead(bad, 0).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(store().LinkTo(bad, folder_ / "x")));
    EXPECT_TRUE(absl::IsInvalidArgument(store().Delete(bad)));
  }
  EXPECT_THAT(std::string(store().Query("XYZ").status().message()), HasSubstr("64 lower-case hexadecimal"));
}

TEST_P(ArtifactStoreTest, ReadsStartAtAnyOffsetUpToTheEnd) {
  ASSERT_TRUE(Upload(kText).ok());
  const std::string sha256 = Digest(kText);
  EXPECT_EQ(Download(sha256, 5).value(), std::string(kText).substr(5));
  EXPECT_EQ(Download(sha256, 42).value(), "");
  EXPECT_EQ(store().OpenForRead(sha256, 42).value()->size_bytes(), 42);
  EXPECT_TRUE(absl::IsOutOfRange(store().OpenForRead(sha256, 43).status()));
  EXPECT_TRUE(absl::IsOutOfRange(store().OpenForRead(sha256, -1).status()));
  EXPECT_TRUE(absl::IsNotFound(store().OpenForRead(Digest("other"), 0).status()));
}

TEST_P(ArtifactStoreTest, ACorruptArtifactIsDataLossAndCanBeUploadedAgain) {
  ASSERT_TRUE(Upload(kText).ok());
  const std::string sha256 = Digest(kText);
  for (const char* bytes : {"Some text that takes more than one cOmmit.", "Some text", ""}) {
    subject_->Corrupt(sha256, bytes);
    EXPECT_TRUE(absl::IsDataLoss(Download(sha256).status())) << bytes;
    EXPECT_THAT(store().FindMissing({sha256}).value(), ElementsAre(sha256));
    ASSERT_TRUE(Upload(kText).ok());
    EXPECT_EQ(Download(sha256).value(), kText);
  }
}

TEST_P(ArtifactStoreTest, ALocalFileBecomesAnArtifactAndStays) {
  const fs::path file = folder_ / "report.json";
  std::ofstream(file, std::ios::binary) << kText;
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<Artifact> artifact = store().PutFile(file);
    ASSERT_TRUE(artifact.ok()) << artifact.status();
    EXPECT_EQ(artifact->sha256, Digest(kText));
    EXPECT_EQ(artifact->size_bytes, 42);
  }
  EXPECT_TRUE(fs::exists(file));
  std::ofstream(file, std::ios::binary) << "changed later";
  EXPECT_EQ(Download(Digest(kText)).value(), kText);
}

TEST_P(ArtifactStoreTest, OnlyRegularFilesWithContentBecomeArtifacts) {
  std::ofstream(folder_ / "empty").flush();
  fs::create_symlink("/etc/passwd", folder_ / "link");
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  fs::create_directory(folder_ / "folder");
  for (const char* name : {"empty", "link", "pipe", "folder"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(store().PutFile(folder_ / name).status())) << name;
  }
  EXPECT_TRUE(absl::IsNotFound(store().PutFile(folder_ / "missing").status()));
}

TEST_P(ArtifactStoreTest, LinksNeverReplaceAFile) {
  ASSERT_TRUE(Upload(kText).ok());
  std::ofstream(folder_ / "taken") << "mine";
  EXPECT_TRUE(absl::IsAlreadyExists(store().LinkTo(Digest(kText), folder_ / "taken")));
  EXPECT_TRUE(absl::IsNotFound(store().LinkTo(Digest("other"), folder_ / "other")));
  EXPECT_FALSE(fs::exists(folder_ / "other"));
}

TEST_P(ArtifactStoreTest, ReadersAndLinksOutliveADeletion) {
  ASSERT_TRUE(Upload(kText).ok());
  const std::string sha256 = Digest(kText);
  std::unique_ptr<ArtifactReader> reader = store().OpenForRead(sha256, 0).value();
  ASSERT_TRUE(store().LinkTo(sha256, folder_ / "linked").ok());
  ASSERT_TRUE(store().Delete(sha256).ok());
  EXPECT_TRUE(absl::IsNotFound(store().Delete(sha256)));
  std::string bytes;
  ASSERT_TRUE(reader->Read(100, &bytes).ok());
  EXPECT_EQ(bytes, kText);
  EXPECT_EQ(fs::file_size(folder_ / "linked"), 42u);
}

TEST_P(ArtifactStoreTest, WhatNobodyAskedForSinceIsUnused) {
  ASSERT_TRUE(Upload("one").ok());
  ASSERT_TRUE(Upload("two").ok());
  const absl::Time stored = absl::Now();
  EXPECT_THAT(*store().ListUnused(stored - absl::Hours(1)), ::testing::IsEmpty());
  EXPECT_THAT(*store().ListUnused(stored + absl::Hours(1)),
              ::testing::UnorderedElementsAre(Digest("one"), Digest("two")));
  // Being asked for makes it younger than any time before.
  ASSERT_TRUE(testing::Eventually([&] {
    EXPECT_TRUE(store().FindMissing({Digest("one")})->empty());
    return store().ListUnused(stored)->size() == 1;
  }));
  EXPECT_THAT(*store().ListUnused(stored), ::testing::ElementsAre(Digest("two")));
}

TEST_P(ArtifactStoreTest, UsageIsOfWhatIsStored) {
  EXPECT_EQ(store().Usage().artifacts, 0);
  ASSERT_TRUE(Upload("one").ok());
  ASSERT_TRUE(Upload("three").ok());
  {
    auto unfinished = store().BeginUpload(Digest("another"), 7, 0);
    ASSERT_TRUE((*unfinished)->Append("ano").ok());
  }
  EXPECT_EQ(store().Usage().artifacts, 2);
  EXPECT_EQ(store().Usage().bytes, 8);
  ASSERT_TRUE(store().Delete(Digest("one")).ok());
  EXPECT_EQ(store().Usage().artifacts, 1);
  EXPECT_EQ(store().Usage().bytes, 5);
}

TEST_P(ArtifactStoreTest, StaleUploadsAreRemovedButNotUnderTheirWriter) {
  const std::string sha256 = Digest("never finished");
  auto upload = store().BeginUpload(sha256, 14, 0).value();
  ASSERT_TRUE(upload->Append("never").ok());
  const absl::Time later = absl::Now() + absl::Hours(1);
  EXPECT_EQ(*store().RemoveStaleUploads(later), 0) << "somebody is at it";
  upload.reset();
  EXPECT_EQ(*store().RemoveStaleUploads(absl::Now() - absl::Hours(1)), 0);
  EXPECT_EQ(Committed(sha256), 5);
  EXPECT_GT(*store().RemoveStaleUploads(later), 0);
  EXPECT_EQ(Committed(sha256), 0);
  EXPECT_EQ(*store().RemoveStaleUploads(later), 0);
}

TEST_P(ArtifactStoreTest, AReopenedStoreContinuesUploadsAndKeepsArtifacts) {
  ASSERT_TRUE(Upload("stored").ok());
  const std::string sha256 = Digest(kText);
  { ASSERT_TRUE(store().BeginUpload(sha256, 42, 0).value()->Append("Some text that takes").ok()); }
  subject_->Reopen();
  EXPECT_EQ(Download(Digest("stored")).value(), "stored");
  ASSERT_EQ(Committed(sha256), 20);
  std::unique_ptr<ArtifactUpload> upload = store().BeginUpload(sha256, 42, 20).value();
  ASSERT_TRUE(upload->Append(std::string_view(kText).substr(20)).ok());
  EXPECT_TRUE(upload->Finish().ok());
}

}  // namespace
}  // namespace kprune
