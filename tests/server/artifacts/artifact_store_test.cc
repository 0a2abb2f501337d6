// One conformance suite for every ArtifactStore.
#include "kprune/artifact_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/artifacts/in_memory_artifact_store.h"
#include "server/artifacts/local_artifact_store.h"
#include "server/artifacts/sha256.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMaxArtifactBytes = 1000;
constexpr int64_t kCapacityBytes = 5000;

std::string Digest(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

// A store and a way to break what it holds.
class Subject {
 public:
  explicit Subject(const fs::path& folder) : folder_(folder) {}
  virtual ~Subject() = default;
  virtual ArtifactStore& store() = 0;
  virtual void Corrupt(const std::string& sha256, const std::string& bytes) = 0;
  // As a new process would find it.
  virtual void Reopen() = 0;

 protected:
  const fs::path folder_;
};

class LocalSubject final : public Subject {
 public:
  explicit LocalSubject(const fs::path& folder) : Subject(folder) { Reopen(); }
  ArtifactStore& store() override { return *store_; }

  void Corrupt(const std::string& sha256, const std::string& bytes) override {
    const fs::path object = folder_ / "objects" / sha256.substr(0, 2) / sha256;
    fs::permissions(object, fs::perms::owner_write, fs::perm_options::add);
    std::ofstream(object, std::ios::binary | std::ios::trunc) << bytes;
  }

  void Reopen() override {
    LocalArtifactStoreOptions options;
    options.folder = folder_;
    options.max_artifact_bytes = kMaxArtifactBytes;
    options.commit_interval_bytes = 8;
    options.disk_low_bytes = 100;
    options.free_bytes = [this] { return kCapacityBytes + 100 - UsedBytes(); };
    absl::StatusOr<std::unique_ptr<LocalArtifactStore>> opened = LocalArtifactStore::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

 private:
  int64_t UsedBytes() const {
    int64_t used = 0;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder_ / "objects")) {
      if (entry.is_regular_file()) used += static_cast<int64_t>(entry.file_size());
    }
    return used;
  }

  std::unique_ptr<LocalArtifactStore> store_;
};

class InMemorySubject final : public Subject {
 public:
  explicit InMemorySubject(const fs::path& folder) : Subject(folder) {
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

class ArtifactStoreTest : public ::testing::TestWithParam<const char*> {
 protected:
  ArtifactStoreTest() : folder_(MakeFolder()) {
    if (GetParam() == std::string("local")) {
      subject_ = std::make_unique<LocalSubject>(folder_ / "store");
    } else {
      subject_ = std::make_unique<InMemorySubject>(folder_ / "store");
    }
  }
  ~ArtifactStoreTest() override { fs::remove_all(folder_); }

  static fs::path MakeFolder() {
    std::string name = (fs::temp_directory_path() / "artifact_store_test.XXXXXX").string();
    return ::mkdtemp(name.data());
  }

  ArtifactStore& store() { return subject_->store(); }

  absl::Status Upload(const std::string& bytes) {
    auto upload = store().BeginUpload(Digest(bytes), static_cast<int64_t>(bytes.size()), 0);
    if (!upload.ok()) return upload.status();
    if (*upload == nullptr) return absl::OkStatus();
    const absl::Status appended = (*upload)->Append(bytes);
    return appended.ok() ? (*upload)->Finish().status() : appended;
  }

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

  const fs::path folder_;
  std::unique_ptr<Subject> subject_;
};

INSTANTIATE_TEST_SUITE_P(Stores, ArtifactStoreTest, ::testing::Values("local", "in_memory"),
                         [](const auto& info) { return std::string(info.param); });

const char kText[] = "Some text that takes more than one commit.";

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
