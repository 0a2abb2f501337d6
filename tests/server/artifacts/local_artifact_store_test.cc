// What only a store on a disk can show: crashes and what they leave.
#include "server/artifacts/local_artifact_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "server/artifacts/sha256.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

std::string Digest(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

class LocalArtifactStoreTest : public ::testing::Test {
 protected:
  LocalArtifactStoreTest() {
    std::string name = (fs::temp_directory_path() / "local_artifact_store_test.XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    options_.folder = folder_ / "store";
    options_.commit_interval_bytes = 8;
  }
  ~LocalArtifactStoreTest() override { fs::remove_all(folder_); }

  std::unique_ptr<LocalArtifactStore> Open() {
    auto store = LocalArtifactStore::Open(options_);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  fs::path Object(const std::string& sha256) const {
    return options_.folder / "objects" / sha256.substr(0, 2) / sha256;
  }

  fs::path folder_;
  LocalArtifactStoreOptions options_;
};

TEST_F(LocalArtifactStoreTest, ExamplesAnObjectLiesReadOnlyUnderItsDigestAndIsLinkedNotCopied) {
  const std::unique_ptr<LocalArtifactStore> store = Open();
  const std::string sha256 = Digest("bytes");
  auto upload = store->BeginUpload(sha256, 5, 0).value();
  ASSERT_TRUE(upload->Append("bytes").ok());
  ASSERT_TRUE(upload->Finish().ok());
  upload.reset();
  ASSERT_TRUE(store->LinkTo(sha256, folder_ / "linked").ok());
  struct stat object, linked;
  ASSERT_EQ(::stat(Object(sha256).c_str(), &object), 0);
  ASSERT_EQ(::stat((folder_ / "linked").c_str(), &linked), 0);
  EXPECT_EQ(object.st_ino, linked.st_ino);
  EXPECT_EQ(object.st_mode & 0777, 0444u);
  EXPECT_TRUE(fs::is_empty(options_.folder / "partial")) << "nothing is left of the upload";
}

TEST_F(LocalArtifactStoreTest, AProcessThatDiesLosesOnlyWhatItHadNotCommitted) {
  const std::string text = "0123456789abcdefghij";
  const std::string sha256 = Digest(text);
  const pid_t child = ::fork();
  if (child == 0) {
    auto store = LocalArtifactStore::Open(options_);
    auto upload = (*store)->BeginUpload(sha256, 20, 0);
    const bool ok = (*upload)->Append("01234567").ok() && (*upload)->Append("89abc").ok();
    ::_exit(ok ? 0 : 1);  // neither destructor runs
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);

  const std::unique_ptr<LocalArtifactStore> store = Open();
  ASSERT_EQ(store->Query(sha256).value().committed_bytes, 8);
  auto upload = store->BeginUpload(sha256, 20, 8).value();
  ASSERT_TRUE(upload->Append(text.substr(8)).ok());
  EXPECT_TRUE(upload->Finish().ok());
}

TEST_F(LocalArtifactStoreTest, BytesBeyondTheRecordedSizeAreNotTrusted) {
  const std::string text = "0123456789";
  const std::string sha256 = Digest(text);
  { ASSERT_TRUE(Open()->BeginUpload(sha256, 10, 0).value()->Append("0123").ok()); }
  std::ofstream(options_.folder / "partial" / sha256, std::ios::app) << "??????";
  const std::unique_ptr<LocalArtifactStore> store = Open();
  ASSERT_EQ(store->Query(sha256).value().committed_bytes, 4);
  auto upload = store->BeginUpload(sha256, 10, 4).value();
  ASSERT_TRUE(upload->Append(text.substr(4)).ok());
  EXPECT_TRUE(upload->Finish().ok());
}

TEST_F(LocalArtifactStoreTest, APartialUploadWithoutARecordStartsAgain) {
  const std::string sha256 = Digest("0123456789");
  Open();
  std::ofstream(options_.folder / "partial" / sha256) << "01234";
  const std::unique_ptr<LocalArtifactStore> store = Open();
  EXPECT_EQ(store->Query(sha256).value().committed_bytes, 0);
  auto upload = store->BeginUpload(sha256, 10, 0).value();
  ASSERT_TRUE(upload->Append("0123456789").ok());
  EXPECT_TRUE(upload->Finish().ok());
}

TEST_F(LocalArtifactStoreTest, ACrashBetweenTheLastByteAndPublishingNeedsNoByteAgain) {
  const std::string sha256 = Digest("0123456789");
  { ASSERT_TRUE(Open()->BeginUpload(sha256, 10, 0).value()->Append("0123456789").ok()); }
  const std::unique_ptr<LocalArtifactStore> store = Open();
  EXPECT_FALSE(store->Query(sha256).value().complete);
  EXPECT_TRUE(store->BeginUpload(sha256, 10, 10).value()->Finish().ok());
  EXPECT_TRUE(store->Query(sha256).value().complete);
}

TEST_F(LocalArtifactStoreTest, UnfinishedCopiesOfACrashAreRemovedAndUploadsAreNot) {
  const std::string sha256 = Digest("0123456789");
  { ASSERT_TRUE(Open()->BeginUpload(sha256, 10, 0).value()->Append("0123").ok()); }
  std::ofstream(options_.folder / "partial" / "copy-0") << "half a result";
  Open();
  EXPECT_FALSE(fs::exists(options_.folder / "partial" / "copy-0"));
  EXPECT_TRUE(fs::exists(options_.folder / "partial" / sha256));
}

TEST_F(LocalArtifactStoreTest, ADiskThatFillsUpMeanwhileStopsTheUploadAndKeepsItsBytes) {
  int64_t free_bytes = 1000;
  options_.disk_low_bytes = 100;
  options_.free_bytes = [&] { return free_bytes; };
  const std::unique_ptr<LocalArtifactStore> store = Open();
  const std::string sha256 = Digest("anything");
  {
    auto upload = store->BeginUpload(sha256, 100, 0).value();
    ASSERT_TRUE(upload->Append("01234567").ok());
    free_bytes = 120;
    EXPECT_TRUE(absl::IsResourceExhausted(upload->Append("01234567")));
  }
  EXPECT_EQ(store->Query(sha256).value().committed_bytes, 16);
}

TEST_F(LocalArtifactStoreTest, ACorruptArtifactIsKeptForTheOperator) {
  const std::unique_ptr<LocalArtifactStore> store = Open();
  std::ofstream(folder_ / "file") << "bytes";
  const std::string sha256 = store->PutFile(folder_ / "file").value().sha256;
  fs::permissions(Object(sha256), fs::perms::owner_write, fs::perm_options::add);
  std::ofstream(Object(sha256)) << "byteZ";
  std::string bytes;
  EXPECT_TRUE(absl::IsDataLoss(store->OpenForRead(sha256, 0).value()->Read(100, &bytes)));
  EXPECT_TRUE(fs::exists(options_.folder / "corrupt" / sha256));
  EXPECT_EQ(store->Usage().artifacts, 0);
  EXPECT_EQ(store->Usage().bytes, 0);
}

TEST_F(LocalArtifactStoreTest, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(folder_ / "file") << "in the way";
  options_.folder = folder_ / "file" / "store";
  const absl::Status status = LocalArtifactStore::Open(options_).status();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.ToString().find((folder_ / "file").string()), std::string::npos) << status;
}

TEST_F(LocalArtifactStoreTest, WhatIsStoredIsCountedAsItComesAndGoes) {
  options_.max_stored_bytes = [] { return 40; };
  auto store = Open();
  const auto begin = [&](const std::string& bytes, int64_t offset = 0) {
    return store->BeginUpload(Digest(bytes), static_cast<int64_t>(bytes.size()), offset);
  };
  const std::string first(20, 'a'), second(16, 'b'), third(16, 'c');
  auto upload = begin(first).value();
  EXPECT_EQ(store->used_bytes(), 20) << "all of it is reserved";
  auto beside = begin(second).value();
  EXPECT_TRUE(absl::IsResourceExhausted(begin(third).status())) << "beside two that have sent nothing yet";
  beside->Discard();
  ASSERT_TRUE(upload->Append(first.substr(0, 8)).ok());
  upload.reset();
  EXPECT_EQ(store->used_bytes(), 8) << "a partial upload is as large as what it committed";
  store.reset();
  store = Open();
  EXPECT_EQ(store->used_bytes(), 8);
  upload = begin(first, 8).value();
  ASSERT_TRUE(upload->Append(first.substr(8)).ok());
  ASSERT_TRUE(upload->Finish().ok());
  EXPECT_EQ(store->used_bytes(), 20);
  upload = begin(second).value();
  ASSERT_TRUE(upload->Append(std::string(16, 'x')).ok());
  EXPECT_FALSE(upload->Finish().ok()) << "other bytes than declared";
  upload.reset();
  EXPECT_EQ(store->used_bytes(), 20);
  upload = begin(second).value();
  ASSERT_TRUE(upload->Append(second.substr(0, 8)).ok());
  upload.reset();
  EXPECT_EQ(*store->RemoveStaleUploads(absl::InfiniteFuture()), 1);
  EXPECT_EQ(store->used_bytes(), 20);
  // A result is stored whatever the limit is.
  std::ofstream(folder_ / "result") << std::string(30, 'r');
  const Artifact result = store->PutFile(folder_ / "result").value();
  ASSERT_TRUE(store->PutFile(folder_ / "result").ok()) << "the same once more";
  EXPECT_EQ(store->used_bytes(), 50);
  EXPECT_EQ(store->Usage().artifacts, 2);
  store.reset();
  store = Open();
  EXPECT_EQ(store->used_bytes(), 50);
  EXPECT_EQ(store->Usage().artifacts, 2);
  EXPECT_EQ(store->Usage().bytes, 50);
  ASSERT_TRUE(store->Delete(result.sha256).ok());
  ASSERT_TRUE(store->Delete(Digest(first)).ok());
  EXPECT_EQ(store->used_bytes(), 0);
}

}  // namespace
}  // namespace kprune
