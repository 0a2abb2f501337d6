// The artifact store on a disk whose calls fail, and on one that loses its power.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "server/artifacts/local_artifact_store.h"
#include "server/artifacts/sha256.h"
#include "tests/faults/faulty_disk.h"
#include "tests/faults/length.h"
#include "tests/faults/power_loss_disk.h"
#include "tests/support/artifact_encryption.h"
#include "tests/support/process.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCommitBytes = 8;

std::string Digest(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

// What a store said is safe: artifacts by digest, and how far uploads are committed.
struct Acknowledged {
  std::map<std::string, std::string> stored;
  std::map<std::string, int64_t> committed;
};

// The parameter says whether artifacts are encrypted.
class ArtifactFaultsTest : public ::testing::TestWithParam<bool> {
 protected:
  // Null: a disk without faults.
  absl::StatusOr<std::unique_ptr<LocalArtifactStore>> Open(Disk* disk) {
    LocalArtifactStoreOptions options;
    options.folder = folder_ / "store";
    options.commit_interval_bytes = kCommitBytes;
    options.disk = disk != nullptr ? disk : &sound_disk_;
    if (GetParam()) options.encryption = SmallChunks();
    return LocalArtifactStore::Open(options);
  }

  // Goes on with an upload where the store says that it stands, `piece_bytes` at a time.
  static absl::Status Upload(ArtifactStore& store, const std::string& bytes, Acknowledged& safe,
                             size_t piece_bytes = 5) {
    const std::string sha256 = Digest(bytes);
    const auto size = static_cast<int64_t>(bytes.size());
    const absl::StatusOr<UploadState> state = store.Query(sha256);
    if (!state.ok()) return state.status();
    auto upload = store.BeginUpload(sha256, size, state->complete ? 0 : state->committed_bytes);
    if (!upload.ok()) return upload.status();
    if (*upload != nullptr) {
      for (auto at = static_cast<size_t>((*upload)->size_bytes()); at < bytes.size(); at += piece_bytes) {
        const absl::Status appended = (*upload)->Append(std::string_view(bytes).substr(at, piece_bytes));
        if (!appended.ok()) return appended;
        if (auto so_far = store.Query(sha256); so_far.ok()) safe.committed[sha256] = so_far->committed_bytes;
      }
      const absl::Status finished = (*upload)->Finish().status();
      if (!finished.ok()) return finished;
    }
    safe.stored[sha256] = bytes;
    return absl::OkStatus();
  }

  absl::Status Put(ArtifactStore& store, const std::string& bytes, Acknowledged& safe) {
    WriteFile(folder_ / "result", bytes);
    const absl::StatusOr<Artifact> artifact = store.PutFile(folder_ / "result");
    if (artifact.ok()) safe.stored[artifact->sha256] = bytes;
    return artifact.status();
  }

  // Uploads, one of them in two goes, and results, each as far as it gets.
  void Work(ArtifactStore& store, Acknowledged& safe) {
    Upload(store, "an upload of several commits", safe).IgnoreError();
    Upload(store, "an upload of several commits", safe).IgnoreError();
    Put(store, "a result", safe).IgnoreError();
    Upload(store, "short", safe).IgnoreError();
    Put(store, "a result", safe).IgnoreError();
    Put(store, "another result, which is longer", safe).IgnoreError();
  }

  static std::string Download(ArtifactStore& store, const std::string& sha256) {
    auto reader = store.OpenForRead(sha256, 0);
    std::string bytes;
    if (!reader.ok() || !(*reader)->Read(1 << 20, &bytes).ok()) return "";
    return bytes;
  }

  // How many of what was acknowledged a new server does not find.
  int Lost(const Acknowledged& safe) {
    const auto store = Open(nullptr);
    EXPECT_TRUE(store.ok()) << store.status();
    int lost = 0;
    for (const auto& [sha256, bytes] : safe.stored) lost += Download(**store, sha256) != bytes;
    for (const auto& [sha256, committed] : safe.committed) {
      lost += (*store)->Query(sha256).value().committed_bytes < committed;
    }
    return lost;
  }

  // Everything can be stored now, whatever happened before, and nothing is left over.
  void ExpectWhole() {
    const auto store = Open(nullptr);
    ASSERT_TRUE(store.ok()) << store.status();
    for (const char* text : {"an upload of several commits", "short"}) {
      Acknowledged safe;
      EXPECT_EQ(Upload(**store, text, safe), absl::OkStatus());
      EXPECT_EQ(Download(**store, Digest(text)), text);
    }
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "store" / "objects")) {
      if (!entry.is_regular_file()) continue;
      const std::string sha256 = entry.path().stem();
      EXPECT_EQ(Digest(Download(**store, sha256)), sha256) << "a file that is not what it says";
    }
    const auto is_copy = [](const auto& entry) {
      return entry.path().filename().string().starts_with("copy-");
    };
    for (const auto& entry : fs::directory_iterator(folder_ / "store" / "partial")) {
      EXPECT_FALSE(is_copy(entry)) << entry.path();
    }
  }

  void Clear() { fs::remove_all(folder_ / "store"); }

  const TemporaryFolder folder_;
  FaultyDisk sound_disk_;
};

std::string FormName(const ::testing::TestParamInfo<bool>& info) {
  return info.param ? "Encrypted" : "Plain";
}

INSTANTIATE_TEST_SUITE_P(Forms, ArtifactFaultsTest, ::testing::Bool(), FormName);

// Runs the work with the first, second, third ... call failing, until there is no such call.
TEST_P(ArtifactFaultsTest, EveryCallMayFailAndNothingAcknowledgedIsLost) {
  struct Case {
    const char* what;
    DiskFault fault;
  };
  for (const Case& c : std::vector<Case>{{"EIO once", {EIO}},
                                         {"ENOSPC once", {ENOSPC}},
                                         {"a short write", {ENOSPC, true}},
                                         {"EIO from then on", {EIO, false, true}},
                                         {"a disk that is full from then on", {ENOSPC, true, true}}}) {
    int nth = 1, acknowledged = 0, runs = 0;
    const int stride = ShortOrLong(GetParam() ? 15 : 5, 1);
    for (bool failed = true; failed; nth += stride, ++runs) {
      SCOPED_TRACE(::testing::Message() << c.what << " at call " << nth);
      Clear();
      FaultyDisk disk;
      ASSERT_TRUE(Open(&disk).ok());
      Acknowledged safe;
      {
        const auto store = Open(&disk);
        disk.FailAt(nth, c.fault);
        Work(**store, safe);
        failed = disk.failed();
      }
      acknowledged += static_cast<int>(safe.stored.size());
      ASSERT_EQ(Lost(safe), 0);
      ExpectWhole();
    }
    EXPECT_GT(nth, 50) << "there were calls to fail";
    EXPECT_GT(acknowledged, runs) << "some of the work was acknowledged";
  }
}

TEST_P(ArtifactFaultsTest, AStoreThatCannotBeOpenedSaysSo) {
  ASSERT_TRUE(Open(nullptr).ok());
  for (int nth = 1;; ++nth) {
    FaultyDisk disk;
    disk.FailAt(nth, {EIO});
    const absl::Status status = Open(&disk).status();
    if (!disk.failed()) break;
    EXPECT_FALSE(status.ok()) << "call " << nth;
  }
}

// Encrypting what was stored in the clear, with the first, second, third ... call failing: the artifact stays
// readable, and the next server has nothing of it in the clear.
TEST_P(ArtifactFaultsTest, EveryCallOfARenewalMayFail) {
  if (!GetParam()) GTEST_SKIP() << "in the clear there is nothing to renew";
  const std::string bytes = "stored before there was a key", sha256 = Digest(bytes);
  int nth = 1;
  for (bool failed = true; failed; ++nth) {
    SCOPED_TRACE(nth);
    Clear();
    LocalArtifactStoreOptions plain;
    plain.folder = folder_ / "store";
    Acknowledged safe;
    ASSERT_TRUE(Put(*LocalArtifactStore::Open(plain).value(), bytes, safe).ok());
    FaultyDisk disk;
    {
      const auto store = Open(&disk);
      disk.FailAt(nth, {EIO});
      (*store)->Renew(sha256).IgnoreError();
      failed = disk.failed();
      disk.FailAt(0, {});
      EXPECT_EQ(Download(**store, sha256), bytes);
      EXPECT_EQ((*store)->used_bytes(), static_cast<int64_t>(bytes.size()));
    }
    const auto store = Open(nullptr);
    const std::vector<std::string> outdated = (*store)->ListOutdated().value();
    for (const std::string& left : outdated) EXPECT_TRUE((*store)->Renew(left).ok());
    EXPECT_EQ(Download(**store, sha256), bytes);
    EXPECT_EQ((*store)->used_bytes(), static_cast<int64_t>(bytes.size()));
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "store")) {
      if (entry.is_regular_file()) EXPECT_EQ(ReadFile(entry.path()).find("before"), std::string::npos);
    }
  }
  EXPECT_GT(nth, 8) << "there were calls to fail";
}

// The losses over so many seeds, of which each takes the power away at another moment.
class PowerLossTest : public ArtifactFaultsTest {
 protected:
  int LossesOver(int seeds, bool syncs) {
    int losses = 0, acknowledged = 0;
    for (int seed = 1; seed <= seeds; ++seed) {
      std::mt19937 random(static_cast<unsigned>(seed));
      Clear();
      PowerLossDisk disk(syncs);
      Acknowledged safe;
      {
        const auto store = Open(&disk);
        EXPECT_TRUE(store.ok());
        disk.CutAt(1 + static_cast<int>(random() % 200));
        for (int i = 0; i < 20 && !disk.cut(); ++i) {
          const std::string bytes(3 + random() % 60, static_cast<char>('a' + i));
          Acknowledged now = safe;
          const absl::Status status =
              random() % 3 == 0 ? Put(**store, bytes, now) : Upload(**store, bytes, now, 1 + random() % 20);
          EXPECT_TRUE(status.ok()) << status;
          if (!disk.cut()) safe = now;
        }
      }
      acknowledged += static_cast<int>(safe.stored.size());
      disk.LosePower(folder_ / "store", random);
      losses += Lost(safe);
      if (syncs) ExpectWhole();
    }
    EXPECT_GE(acknowledged, seeds);
    return losses;
  }
};

INSTANTIATE_TEST_SUITE_P(Forms, PowerLossTest, ::testing::Bool(), FormName);

TEST_P(PowerLossTest, NothingAcknowledgedIsLost) { EXPECT_EQ(LossesOver(ShortOrLong(20, 200), true), 0); }

// Without this the test above could not fail.
TEST_P(PowerLossTest, OnADiskThatDoesNotSyncMuchIsLost) {
  const int seeds = ShortOrLong(20, 200);
  EXPECT_GT(LossesOver(seeds, false), seeds);
}

}  // namespace
}  // namespace kprune::testing
