// Artifacts in a folder of this machine; artifact_folder.h describes the folder.
#ifndef KPRUNE_SERVER_ARTIFACTS_LOCAL_ARTIFACT_STORE_H_
#define KPRUNE_SERVER_ARTIFACTS_LOCAL_ARTIFACT_STORE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/artifact_store.h"
#include "kprune/caller.h"
#include "server/artifacts/artifact_folder.h"
#include "server/artifacts/artifact_forms.h"
#include "server/artifacts/content_file.h"
#include "server/artifacts/disk.h"
#include "server/artifacts/stored_bytes.h"
#include "server/artifacts/writer_claims.h"

namespace kprune {

struct LocalArtifactStoreOptions {
  // Made where it is missing. One process uses it at a time.
  std::filesystem::path folder;

  // Largest upload.
  int64_t max_artifact_bytes = int64_t{64} << 30;

  // Uploads are refused when they would leave less than this on the disk. Results of jobs are still stored.
  int64_t disk_low_bytes = 0;

  // An upload is made safe on the disk each time it grew by this much: what a crash can cost.
  int64_t commit_interval_bytes = int64_t{32} << 20;

  // Whose artifacts these are, and the most bytes of them, partial uploads included: asked when an upload
  // begins. Null and 0: no limit. Results of jobs are still stored, and count.
  std::string tenant = kDefaultTenant;
  std::function<int64_t()> max_stored_bytes;

  // Artifacts are encrypted. Null: not.
  std::shared_ptr<const ArtifactEncryption> encryption;

  // Free bytes of the folder's disk. Null: ask the system.
  std::function<int64_t()> free_bytes;

  // Borrowed. Null: the kernel's.
  Disk* disk = nullptr;
};

// Thread-safe.
class LocalArtifactStore final : public ArtifactStore {
 public:
  static absl::StatusOr<std::unique_ptr<LocalArtifactStore>> Open(LocalArtifactStoreOptions options);

  absl::StatusOr<std::vector<std::string>> FindMissing(const std::vector<std::string>& digests) override;
  absl::StatusOr<UploadState> Query(std::string_view sha256) override;
  absl::StatusOr<std::unique_ptr<ArtifactUpload>> BeginUpload(std::string_view sha256, int64_t size_bytes,
                                                              int64_t offset) override;
  absl::StatusOr<Artifact> PutFile(const std::filesystem::path& file) override;
  absl::StatusOr<std::unique_ptr<ArtifactReader>> OpenForRead(std::string_view sha256,
                                                              int64_t offset) override;
  absl::Status LinkTo(std::string_view sha256, const std::filesystem::path& destination) override;
  absl::Status Delete(std::string_view sha256) override;
  ArtifactUsage Usage() const override { return stored_.artifacts(); }
  absl::StatusOr<std::vector<std::string>> ListUnused(absl::Time before) override;
  absl::StatusOr<int> RemoveStaleUploads(absl::Time before) override;
  absl::StatusOr<std::vector<std::string>> ListOutdated() override { return folder_.ListOutdated(); }
  absl::Status Renew(std::string_view sha256) override;

  // What counts against max_stored_bytes: the artifacts, partial uploads as far as they are committed, and
  // what uploads that are running have still to send.
  int64_t used_bytes() const { return stored_.used_bytes(); }

 private:
  explicit LocalArtifactStore(LocalArtifactStoreOptions options);

  // Copies the file to `copy`, safe on the disk, and returns what it is.
  absl::StatusOr<Artifact> CopyIn(const std::filesystem::path& file, ContentFile& copy);
  // Writes the content of a stored artifact to a new file.
  absl::Status CopyOut(std::string_view sha256, const ContentFile& object,
                       const std::filesystem::path& destination);

  // Constant after construction.
  const LocalArtifactStoreOptions options_;

  StoredBytes stored_;
  ArtifactFolder folder_;
  WriterClaims claims_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_LOCAL_ARTIFACT_STORE_H_
