// What the tests of every ArtifactStore share: one suite, ArtifactStoreTest, over several files.
// artifact_store_test.cc names the stores that it runs over, for the tests of all files; a second
// INSTANTIATE_TEST_SUITE_P would run them twice.
#ifndef KPRUNE_TESTS_SERVER_ARTIFACTS_ARTIFACT_STORE_FIXTURE_H_
#define KPRUNE_TESTS_SERVER_ARTIFACTS_ARTIFACT_STORE_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/artifact_store.h"
#include "server/artifacts/in_memory_artifact_store.h"
#include "server/artifacts/local_artifact_store.h"
#include "server/artifacts/sealed_file.h"
#include "server/artifacts/sha256.h"
#include "tests/support/artifact_encryption.h"
#include "tests/support/process.h"

namespace kprune {

// A store and a way to break what it holds. It refuses artifacts of more than kMaxArtifactBytes and keeps at
// most kCapacityBytes of them.
class ArtifactSubject {
 public:
  static constexpr int64_t kMaxArtifactBytes = 1000;
  static constexpr int64_t kCapacityBytes = 5000;

  explicit ArtifactSubject(const std::filesystem::path& folder) : folder_(folder) {}
  virtual ~ArtifactSubject() = default;
  virtual ArtifactStore& store() = 0;
  // Replaces the bytes of a stored artifact.
  virtual void Corrupt(const std::string& sha256, const std::string& bytes) = 0;
  // As a new process would find it; a store in memory stays as it is.
  virtual void Reopen() = 0;

 protected:
  const std::filesystem::path folder_;
};

class LocalArtifactSubject final : public ArtifactSubject {
 public:
  // `encryption` null: none.
  LocalArtifactSubject(const std::filesystem::path& folder,
                       std::shared_ptr<const ArtifactEncryption> encryption)
      : ArtifactSubject(folder), encryption_(std::move(encryption)) {
    Reopen();
  }
  ArtifactStore& store() override { return *store_; }

  void Corrupt(const std::string& sha256, const std::string& bytes) override {
    const char* const suffix = encryption_ != nullptr ? ".sealed" : "";
    const std::filesystem::path object = folder_ / "objects" / sha256.substr(0, 2) / (sha256 + suffix);
    std::filesystem::permissions(object, std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add);
    std::ofstream(object, std::ios::binary | std::ios::trunc) << bytes;
  }

  void Reopen() override {
    LocalArtifactStoreOptions options;
    options.folder = folder_;
    options.max_artifact_bytes = kMaxArtifactBytes;
    options.commit_interval_bytes = 8;
    options.disk_low_bytes = 100;
    options.encryption = encryption_;
    options.free_bytes = [this] { return kCapacityBytes + 100 - UsedBytes(); };
    absl::StatusOr<std::unique_ptr<LocalArtifactStore>> opened = LocalArtifactStore::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

 private:
  int64_t UsedBytes() const {
    int64_t used = 0;
    for (const std::filesystem::directory_entry& entry :
         std::filesystem::recursive_directory_iterator(folder_ / "objects")) {
      if (!entry.is_regular_file()) continue;
      const auto size = static_cast<int64_t>(entry.file_size());
      used += encryption_ != nullptr ? SealedFile::ContentBytes(size, encryption_->chunk_bytes) : size;
    }
    return used;
  }

  const std::shared_ptr<const ArtifactEncryption> encryption_;
  std::unique_ptr<LocalArtifactStore> store_;
};

class InMemoryArtifactSubject final : public ArtifactSubject {
 public:
  explicit InMemoryArtifactSubject(const std::filesystem::path& folder) : ArtifactSubject(folder) {
    InMemoryArtifactStoreOptions options;
    options.max_artifact_bytes = kMaxArtifactBytes;
    options.capacity_bytes = kCapacityBytes;
    store_ = std::make_unique<InMemoryArtifactStore>(options);
  }
  ArtifactStore& store() override { return *store_; }
  void Corrupt(const std::string& sha256, const std::string& bytes) override {
    store_->Corrupt(sha256, bytes);
  }
  void Reopen() override {}

 private:
  std::unique_ptr<InMemoryArtifactStore> store_;
};

// An empty store, whole transfers and a folder for files beside it. The parameter is "local",
// "encrypted" (local, in chunks of eight bytes) or "in_memory".
class ArtifactStoreTest : public ::testing::TestWithParam<const char*> {
 protected:
  static constexpr int64_t kMaxArtifactBytes = ArtifactSubject::kMaxArtifactBytes;
  static constexpr char kText[] = "Some text that takes more than one commit.";

  ArtifactStoreTest() {
    if (GetParam() == std::string("local")) {
      subject_ = std::make_unique<LocalArtifactSubject>(folder_ / "store", nullptr);
    } else if (GetParam() == std::string("encrypted")) {
      subject_ = std::make_unique<LocalArtifactSubject>(folder_ / "store", testing::SmallChunks());
    } else {
      subject_ = std::make_unique<InMemoryArtifactSubject>(folder_ / "store");
    }
  }

  // In hexadecimal.
  static std::string Digest(std::string_view bytes) {
    Sha256 hash;
    hash.Update(bytes);
    return hash.HexDigest();
  }

  ArtifactStore& store() { return subject_->store(); }

  // All bytes at once; OK also where they are stored already.
  absl::Status Upload(const std::string& bytes) {
    auto upload = store().BeginUpload(Digest(bytes), static_cast<int64_t>(bytes.size()), 0);
    if (!upload.ok()) return upload.status();
    if (*upload == nullptr) return absl::OkStatus();
    const absl::Status appended = (*upload)->Append(bytes);
    return appended.ok() ? (*upload)->Finish().status() : appended;
  }

  // Reads from `offset` to the end, `chunk_bytes` at a time.
  absl::StatusOr<std::string> Download(const std::string& sha256, int64_t offset = 0,
                                       int64_t chunk_bytes = 7) {
    auto reader = store().OpenForRead(sha256, offset);
    if (!reader.ok()) return reader.status();
    std::string all, bytes;
    do {
      const absl::Status read = (*reader)->Read(chunk_bytes, &bytes);
      if (!read.ok()) return read;
      all += bytes;
    } while (!bytes.empty());
    return all;
  }

  int64_t Committed(const std::string& sha256) { return store().Query(sha256).value().committed_bytes; }

  const testing::TemporaryFolder folder_;
  std::unique_ptr<ArtifactSubject> subject_;
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_SERVER_ARTIFACTS_ARTIFACT_STORE_FIXTURE_H_
