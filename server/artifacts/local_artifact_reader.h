// Reads one artifact of an ArtifactFolder.
#ifndef KPRUNE_SERVER_ARTIFACTS_LOCAL_ARTIFACT_READER_H_
#define KPRUNE_SERVER_ARTIFACTS_LOCAL_ARTIFACT_READER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/artifact_store.h"
#include "server/artifacts/artifact_folder.h"
#include "server/artifacts/content_file.h"
#include "server/artifacts/sha256.h"

namespace kprune {

class LocalArtifactReader final : public ArtifactReader {
 public:
  // Borrows `folder`. NotFound, or OutOfRange for the offset.
  static absl::StatusOr<std::unique_ptr<ArtifactReader>> Open(const ArtifactFolder* folder,
                                                              std::string sha256, int64_t offset);

  int64_t size_bytes() const override { return size_bytes_; }
  absl::Status Read(int64_t max_bytes, std::string* bytes) override;

 private:
  LocalArtifactReader(const ArtifactFolder* folder, std::string sha256, std::unique_ptr<ContentFile> file,
                      int64_t size_bytes, int64_t offset);

  // The digest at the end of a read from the first byte.
  absl::Status Verify() const;

  // Constant after construction.
  const ArtifactFolder* const folder_;
  const std::string sha256_;
  const std::unique_ptr<const ContentFile> file_;
  const int64_t size_bytes_;
  const bool from_start_;

  Sha256 hash_;
  int64_t position_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_LOCAL_ARTIFACT_READER_H_
