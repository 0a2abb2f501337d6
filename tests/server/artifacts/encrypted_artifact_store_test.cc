// Artifacts that are encrypted on the disk: what a thief of the disk sees, what a damaged file does, and how
// keys come and go. That they are stores like all others is for artifact_store_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/artifacts/local_artifact_store.h"
#include "server/artifacts/sealed_file.h"
#include "server/artifacts/sha256.h"
#include "tests/support/artifact_encryption.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::EncryptionUnder;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::KeyLine;
using testing::ReadFile;
using testing::WriteFile;

constexpr int64_t kChunkBytes = 8;
constexpr char kSecret[] = "a secret that takes more than one chunk";

std::string DigestOf(const std::string& bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

class EncryptedArtifactStoreTest : public ::testing::Test {
 protected:
  // Opens the store with the keys of these lines; "": none.
  absl::StatusOr<std::unique_ptr<LocalArtifactStore>> TryToOpen(const std::string& lines) {
    LocalArtifactStoreOptions options;
    options.folder = folder_ / "store";
    options.commit_interval_bytes = 16;
    if (!lines.empty()) options.encryption = EncryptionUnder(lines, kChunkBytes);
    return LocalArtifactStore::Open(options);
  }

  LocalArtifactStore& Open(const std::string& lines) {
    store_.reset();
    store_ = TryToOpen(lines).value();
    return *store_;
  }

  std::string Put(const std::string& bytes) {
    WriteFile(folder_ / "file", bytes);
    const std::string sha256 = store_->PutFile(folder_ / "file").value().sha256;
    fs::remove(folder_ / "file");
    return sha256;
  }

  // As far as it can be read.
  absl::StatusOr<std::string> Read(const std::string& sha256, int64_t offset = 0) {
    auto reader = store_->OpenForRead(sha256, offset);
    if (!reader.ok()) return reader.status();
    std::string all, bytes;
    do {
      if (absl::Status read = (*reader)->Read(5, &bytes); !read.ok()) return read;
      all += bytes;
    } while (!bytes.empty());
    return all;
  }

  fs::path Plain(const std::string& sha256) const {
    return folder_ / "store" / "objects" / sha256.substr(0, 2) / sha256;
  }
  fs::path Sealed(const std::string& sha256) const { return Plain(sha256).string() + ".sealed"; }

  // Every file of the store, one after the other.
  std::string AllBytes() const {
    std::string all;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "store")) {
      if (entry.is_regular_file()) all += ReadFile(entry.path());
    }
    return all;
  }

  const testing::TemporaryFolder folder_;
  std::unique_ptr<LocalArtifactStore> store_;
};

TEST_F(EncryptedArtifactStoreTest, NothingOfAnArtifactNorOfAnUploadIsReadableOnTheDisk) {
  Open(KeyLine('1'));
  const std::string sha256 = Put(kSecret);
  const std::string other = "another secret, which is still on its way";
  {
    auto upload = store_->BeginUpload(DigestOf(other), 100, 0).value();
    ASSERT_TRUE(upload->Append(other).ok());
  }
  const std::string disk = AllBytes();
  for (size_t at = 0; at + 4 <= sizeof kSecret - 1; ++at)
    EXPECT_EQ(disk.find(std::string(kSecret).substr(at, 4)), std::string::npos) << at;
  for (size_t at = 0; at + 4 <= other.size(); ++at)
    EXPECT_EQ(disk.find(other.substr(at, 4)), std::string::npos) << at;
  EXPECT_EQ(Read(sha256).value(), kSecret);
  EXPECT_EQ(Read(sha256, 11).value(), std::string(kSecret).substr(11));
}

TEST_F(EncryptedArtifactStoreTest, TheSameBytesAreNeverTheSameOnTheDisk) {
  const std::string same(64, 'x');
  Open(KeyLine('1'));
  const std::string sha256 = Put(same);
  const std::string first = ReadFile(Sealed(sha256));
  ASSERT_TRUE(store_->Delete(sha256).ok());
  Put(same);
  const std::string second = ReadFile(Sealed(sha256));
  ASSERT_EQ(first.size(), second.size());
  const auto chunk = [](const std::string& file, int64_t index) {
    const int64_t size = kChunkBytes + FileCipher::kOverheadBytes;
    return file.substr(static_cast<size_t>(FileCipher::kHeaderBytes + index * size),
                       static_cast<size_t>(size));
  };
  EXPECT_NE(chunk(first, 0), chunk(second, 0));
  EXPECT_NE(chunk(first, 0), chunk(first, 1));
}

TEST_F(EncryptedArtifactStoreTest, AJobGetsTheBytesInTheClearAndMayNotWriteThem) {
  Open(KeyLine('1'));
  const std::string sha256 = Put(kSecret);
  ASSERT_TRUE(store_->LinkTo(sha256, folder_ / "linked").ok());
  EXPECT_EQ(ReadFile(folder_ / "linked"), kSecret);
  struct stat linked;
  ASSERT_EQ(::stat((folder_ / "linked").c_str(), &linked), 0);
  EXPECT_EQ(linked.st_mode & 0777, 0444u);
}

TEST_F(EncryptedArtifactStoreTest, AnyByteThatChangesIsDataLossAndTheFileIsKeptForTheOperator) {
  Open(KeyLine('1'));
  const std::string sha256 = Put(kSecret), sound = ReadFile(Sealed(sha256));
  int zeros = 0;
  for (size_t at = 0; at < sound.size(); ++at) {
    SCOPED_TRACE(at);
    // The zeros of the header are part of what the key of the file comes from.
    zeros += sound[at] == 0;
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    fs::remove(Sealed(sha256));
    WriteFile(Sealed(sha256), damaged);
    EXPECT_TRUE(absl::IsDataLoss(Read(sha256).status()));
    EXPECT_THAT(store_->FindMissing({sha256}).value(), ElementsAre(sha256));
    const fs::path aside = folder_ / "store" / "corrupt" / (sha256 + ".sealed");
    EXPECT_EQ(ReadFile(aside), damaged);
    fs::remove(aside);
  }
  EXPECT_GE(zeros, 12);
}

TEST_F(EncryptedArtifactStoreTest, ADamagedPartIsDataLossAlsoForWhoReadsNoOther) {
  Open(KeyLine('1'));
  const std::string sha256 = Put(kSecret);
  std::string damaged = ReadFile(Sealed(sha256));
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  fs::remove(Sealed(sha256));
  WriteFile(Sealed(sha256), damaged);
  const absl::Status status = Read(sha256, sizeof kSecret - 3).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot be decrypted any more"));
}

TEST_F(EncryptedArtifactStoreTest, ChunksThatChangePlacesAndFilesThatAreCutAreDataLoss) {
  Open(KeyLine('1'));
  const std::string sha256 = Put(kSecret), sound = ReadFile(Sealed(sha256));
  const size_t header = FileCipher::kHeaderBytes, chunk = kChunkBytes + FileCipher::kOverheadBytes;
  const std::string swapped = sound.substr(0, header) + sound.substr(header + chunk, chunk) +
                              sound.substr(header, chunk) + sound.substr(header + 2 * chunk);
  for (const std::string& damaged : {swapped, sound.substr(0, header + chunk), sound.substr(0, header),
                                     sound + sound.substr(header, chunk)}) {
    fs::remove(Sealed(sha256));
    WriteFile(Sealed(sha256), damaged);
    EXPECT_TRUE(absl::IsDataLoss(Read(sha256).status())) << damaged.size();
    fs::remove(folder_ / "store" / "corrupt" / (sha256 + ".sealed"));
  }
}

TEST_F(EncryptedArtifactStoreTest, AStoreWithoutTheKeyDoesNotOpen) {
  Open(KeyLine('1'));
  Put(kSecret);
  store_.reset();
  const absl::Status without = TryToOpen("").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(without));
  EXPECT_THAT(std::string(without.message()), HasSubstr("give --encryption-key-file"));
  const absl::Status other = TryToOpen(KeyLine('2')).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(other));
  EXPECT_THAT(std::string(other.message()), HasSubstr("is encrypted under key"));
  EXPECT_TRUE(TryToOpen(KeyLine('2') + KeyLine('1')).ok());
}

TEST_F(EncryptedArtifactStoreTest, AServerWithoutTheKeyCostsNoUploadItsBytes) {
  Open(KeyLine('1'));
  const std::string secret = kSecret, sha256 = DigestOf(secret);
  { ASSERT_TRUE(store_->BeginUpload(sha256, 39, 0).value()->Append(secret.substr(0, 21)).ok()); }
  store_.reset();
  EXPECT_TRUE(absl::IsFailedPrecondition(TryToOpen("").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(TryToOpen(KeyLine('2')).status()));
  Open(KeyLine('1'));
  EXPECT_EQ(store_->Query(sha256).value().committed_bytes, 21);
}

TEST_F(EncryptedArtifactStoreTest, WhatACrashLeftInTheClearBesideItsEncryptedFileIsRemoved) {
  Open("");
  const std::string sha256 = Put(kSecret);
  Open(KeyLine('1'));
  fs::copy_file(Plain(sha256), folder_ / "plain");
  ASSERT_TRUE(store_->Renew(sha256).ok());
  fs::copy_file(folder_ / "plain", Plain(sha256));
  EXPECT_THAT(store_->ListOutdated().value(), ElementsAre(sha256)) << "it is found while the service works";
  ASSERT_TRUE(store_->Renew(sha256).ok());
  EXPECT_FALSE(fs::exists(Plain(sha256)));
  fs::copy_file(folder_ / "plain", Plain(sha256));
  Open(KeyLine('1'));
  EXPECT_FALSE(fs::exists(Plain(sha256))) << "... and when it starts";
  EXPECT_EQ(store_->used_bytes(), static_cast<int64_t>(sizeof kSecret - 1));
  EXPECT_EQ(Read(sha256).value(), kSecret);
}

TEST_F(EncryptedArtifactStoreTest, ARenewalDoesNotMakeAnArtifactYounger) {
  Open("");
  const std::string sha256 = Put(kSecret);
  const fs::file_time_type old = fs::last_write_time(Plain(sha256)) - std::chrono::hours(30);
  fs::last_write_time(Plain(sha256), old);
  Open(KeyLine('1'));
  ASSERT_TRUE(store_->Renew(sha256).ok());
  EXPECT_EQ(fs::last_write_time(Sealed(sha256)), old);
}

// Readers, links and questions while it is renewed again and again.
TEST_F(EncryptedArtifactStoreTest, AnArtifactIsThereAllTheWhileItIsRenewed) {
  Open("");
  const std::string sha256 = Put(kSecret);
  fs::copy_file(Plain(sha256), folder_ / "plain");
  Open(KeyLine('1'));
  std::atomic<bool> done = false;
  std::thread renewing([&] {
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(store_->Renew(sha256).ok());
      fs::remove(folder_ / "again");
      fs::copy_file(folder_ / "plain", folder_ / "again");
      // As before there was a key: today's is there until the other is.
      fs::rename(folder_ / "again", Plain(sha256));
      fs::remove(Sealed(sha256));
    }
    done = true;
  });
  int looks = 0;
  for (; !done; ++looks) {
    EXPECT_EQ(Read(sha256).value(), kSecret);
    EXPECT_THAT(store_->FindMissing({sha256}).value(), IsEmpty());
    const fs::path linked = folder_ / ("linked-" + std::to_string(looks));
    ASSERT_TRUE(store_->LinkTo(sha256, linked).ok());
    EXPECT_EQ(ReadFile(linked), kSecret);
    fs::remove(linked);
  }
  renewing.join();
  EXPECT_GT(looks, 10);
}

TEST_F(EncryptedArtifactStoreTest, WhatWasStoredInTheClearIsReadAndThenEncrypted) {
  Open("");
  const std::string sha256 = Put(kSecret);
  ASSERT_TRUE(store_->LinkTo(sha256, folder_ / "linked").ok());
  EXPECT_THAT(store_->ListOutdated().value(), IsEmpty());
  Open(KeyLine('1'));
  EXPECT_EQ(Read(sha256).value(), kSecret);
  EXPECT_EQ(store_->used_bytes(), static_cast<int64_t>(sizeof kSecret - 1));
  ASSERT_THAT(store_->ListOutdated().value(), ElementsAre(sha256));
  ASSERT_TRUE(store_->Renew(sha256).ok());
  EXPECT_THAT(store_->ListOutdated().value(), IsEmpty());
  EXPECT_FALSE(fs::exists(Plain(sha256)));
  EXPECT_TRUE(fs::exists(Sealed(sha256)));
  EXPECT_TRUE(fs::is_empty(folder_ / "store" / "partial"));
  EXPECT_EQ(Read(sha256).value(), kSecret);
  EXPECT_EQ(ReadFile(folder_ / "linked"), kSecret) << "a job that runs keeps its file";
  EXPECT_EQ(store_->used_bytes(), static_cast<int64_t>(sizeof kSecret - 1)) << "it is counted once";
  ASSERT_TRUE(store_->Delete(sha256).ok());
  EXPECT_EQ(store_->used_bytes(), 0);
}

TEST_F(EncryptedArtifactStoreTest, AKeyIsReplacedByANewFirstLineAndThenByRenewing) {
  Open(KeyLine('1'));
  const std::string sha256 = Put(kSecret);
  Open(KeyLine('2') + KeyLine('1'));
  EXPECT_EQ(Read(sha256).value(), kSecret);
  ASSERT_THAT(store_->ListOutdated().value(), ElementsAre(sha256));
  ASSERT_TRUE(store_->Renew(sha256).ok());
  Open(KeyLine('2'));
  EXPECT_THAT(store_->ListOutdated().value(), IsEmpty());
  EXPECT_EQ(Read(sha256).value(), kSecret);
}

TEST_F(EncryptedArtifactStoreTest, WhatIsDamagedOrGoneIsNotRenewed) {
  Open("");
  const std::string sha256 = Put(kSecret);
  fs::remove(Plain(sha256));
  WriteFile(Plain(sha256), "something else");
  Open(KeyLine('1'));
  EXPECT_TRUE(absl::IsDataLoss(store_->Renew(sha256)));
  EXPECT_TRUE(absl::IsNotFound(store_->Renew(sha256)));
  EXPECT_TRUE(fs::is_empty(folder_ / "store" / "partial"));
}

TEST_F(EncryptedArtifactStoreTest, AnUploadThatWasBegunInTheClearBeginsAgain) {
  Open("");
  const std::string sha256 = DigestOf(kSecret);
  { ASSERT_TRUE(store_->BeginUpload(sha256, 39, 0).value()->Append("a secret").ok()); }
  Open(KeyLine('1'));
  EXPECT_EQ(store_->Query(sha256).value().committed_bytes, 0);
  EXPECT_TRUE(fs::is_empty(folder_ / "store" / "partial"));
  EXPECT_EQ(store_->used_bytes(), 0);
  auto upload = store_->BeginUpload(sha256, 39, 0).value();
  ASSERT_TRUE(upload->Append(kSecret).ok());
  EXPECT_TRUE(upload->Finish().ok());
}

TEST_F(EncryptedArtifactStoreTest, AnUploadUnderAKeyOfBeforeBeginsAgainSoThatNothingNewIsUnderIt) {
  Open(KeyLine('1'));
  const std::string secret = kSecret, sha256 = DigestOf(secret);
  { ASSERT_TRUE(store_->BeginUpload(sha256, 39, 0).value()->Append(secret.substr(0, 21)).ok()); }
  Open(KeyLine('2') + KeyLine('1'));
  EXPECT_EQ(store_->Query(sha256).value().committed_bytes, 0);
  EXPECT_TRUE(fs::is_empty(folder_ / "store" / "partial"));
  auto upload = store_->BeginUpload(sha256, 39, 0).value();
  ASSERT_TRUE(upload->Append(secret).ok());
  ASSERT_TRUE(upload->Finish().ok());
  EXPECT_THAT(store_->ListOutdated().value(), IsEmpty());
}

TEST_F(EncryptedArtifactStoreTest, AnUploadGoesOnInANewServer) {
  Open(KeyLine('1'));
  const std::string secret = kSecret, sha256 = DigestOf(secret);
  { ASSERT_TRUE(store_->BeginUpload(sha256, 39, 0).value()->Append(secret.substr(0, 21)).ok()); }
  Open(KeyLine('1') + KeyLine('2'));
  ASSERT_EQ(store_->Query(sha256).value().committed_bytes, 21) << "two chunks, and five bytes beside";
  auto upload = store_->BeginUpload(sha256, 39, 21).value();
  ASSERT_TRUE(upload->Append(secret.substr(21)).ok());
  ASSERT_TRUE(upload->Finish().ok());
  EXPECT_EQ(Read(sha256).value(), secret);
}

TEST_F(EncryptedArtifactStoreTest, ADamagedPartOfAnUploadMakesItBeginAgain) {
  Open(KeyLine('1'));
  const std::string secret = kSecret, sha256 = DigestOf(secret);
  { ASSERT_TRUE(store_->BeginUpload(sha256, 39, 0).value()->Append(secret.substr(0, 21)).ok()); }
  const fs::path partial = folder_ / "store" / "partial" / (sha256 + ".sealed");
  std::string damaged = ReadFile(partial);
  damaged[FileCipher::kHeaderBytes + 20] = static_cast<char>(damaged[FileCipher::kHeaderBytes + 20] ^ 1);
  WriteFile(partial, damaged);
  const absl::Status status = store_->BeginUpload(sha256, 39, 21).status();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("committed size 0"));
  EXPECT_EQ(store_->used_bytes(), 0);
  auto upload = store_->BeginUpload(sha256, 39, 0).value();
  ASSERT_TRUE(upload->Append(secret).ok());
  EXPECT_TRUE(upload->Finish().ok());
}

}  // namespace
}  // namespace kprune
