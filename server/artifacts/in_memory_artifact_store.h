// Artifacts in memory, for tests; behaves as LocalArtifactStore does.
#ifndef KPRUNE_SERVER_ARTIFACTS_IN_MEMORY_ARTIFACT_STORE_H_
#define KPRUNE_SERVER_ARTIFACTS_IN_MEMORY_ARTIFACT_STORE_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/artifact_store.h"
#include "server/artifacts/writer_claims.h"

namespace kprune {

struct InMemoryArtifactStoreOptions {
  // Largest upload.
  int64_t max_artifact_bytes = int64_t{1} << 30;

  // Uploads are refused when all stored artifacts together would be larger than this.
  int64_t capacity_bytes = int64_t{4} << 30;
};

// Thread-safe.
class InMemoryArtifactStore final : public ArtifactStore {
 public:
  explicit InMemoryArtifactStore(InMemoryArtifactStoreOptions options = {}) : options_(options) {}

  absl::StatusOr<std::vector<std::string>> FindMissing(const std::vector<std::string>& digests) override;
  absl::StatusOr<UploadState> Query(std::string_view sha256) override;
  absl::StatusOr<std::unique_ptr<ArtifactUpload>> BeginUpload(std::string_view sha256, int64_t size_bytes,
                                                              int64_t offset) override;
  absl::StatusOr<Artifact> PutFile(const std::filesystem::path& file) override;
  absl::StatusOr<std::unique_ptr<ArtifactReader>> OpenForRead(std::string_view sha256,
                                                              int64_t offset) override;
  absl::Status LinkTo(std::string_view sha256, const std::filesystem::path& destination) override;
  absl::Status Delete(std::string_view sha256) override;
  ArtifactUsage Usage() const override;
  absl::StatusOr<std::vector<std::string>> ListUnused(absl::Time before) override;
  absl::StatusOr<int> RemoveStaleUploads(absl::Time before) override;
  absl::StatusOr<std::vector<std::string>> ListOutdated() override { return std::vector<std::string>(); }
  absl::Status Renew(std::string_view sha256) override;

  // Stores `bytes` and returns their artifact.
  Artifact Put(std::string bytes);

  // Replaces a stored artifact's bytes by others, as a failing disk would.
  void Corrupt(std::string_view sha256, std::string bytes);

 private:
  friend class InMemoryUpload;
  friend class InMemoryReader;

  // Shared with readers, which outlive a deletion.
  using Bytes = std::shared_ptr<const std::string>;

  struct Object {
    Bytes bytes;
    absl::Time used;  // stored or asked for
  };

  struct Partial {
    std::string bytes;
    absl::Time changed;
  };

  // Null where it is not stored.
  Bytes Find(std::string_view sha256);
  // The same, and notes that it is of use now.
  Bytes Use(std::string_view sha256);

  // Constant after construction.
  const InMemoryArtifactStoreOptions options_;

  WriterClaims claims_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, Object, std::less<>> objects_;
  std::map<std::string, Partial, std::less<>> partials_;
  int64_t stored_bytes_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_IN_MEMORY_ARTIFACT_STORE_H_
