// One upload into an ArtifactFolder.
#ifndef KPRUNE_SERVER_ARTIFACTS_LOCAL_ARTIFACT_UPLOAD_H_
#define KPRUNE_SERVER_ARTIFACTS_LOCAL_ARTIFACT_UPLOAD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/artifact_store.h"
#include "server/artifacts/artifact_folder.h"
#include "server/artifacts/artifact_forms.h"
#include "server/artifacts/sha256.h"
#include "server/artifacts/stored_bytes.h"
#include "server/artifacts/writer_claims.h"

namespace kprune {

class LocalArtifactUpload final : public ArtifactUpload {
 public:
  // Continues after the first `committed_bytes` of what lies in partial/, which are read to bring the digest
  // up to there; `reserved` are the bytes that follow. Borrows `folder`. Commits each time it grew by
  // `commit_interval_bytes`. Aborted, committed size 0: they are damaged, and were removed.
  static absl::StatusOr<std::unique_ptr<ArtifactUpload>> Open(const ArtifactFolder* folder, WriterClaim claim,
                                                              ReservedBytes reserved, int64_t declared_bytes,
                                                              int64_t committed_bytes,
                                                              int64_t commit_interval_bytes);
  ~LocalArtifactUpload() override;

  absl::Status Append(std::string_view bytes) override;
  absl::StatusOr<Artifact> Finish() override;
  void Discard() override;
  int64_t size_bytes() const override { return size_bytes_; }

 private:
  LocalArtifactUpload(const ArtifactFolder* folder, WriterClaim claim, ReservedBytes reserved,
                      int64_t declared_bytes, int64_t commit_interval_bytes, PartialArtifact files);

  absl::Status Restore(int64_t committed_bytes);

  // Lets the disk begin with what it has not been given yet, while the next bytes are on their way.
  void WriteBehind();

  // Syncs the data, then writes down its size: the size on record is never ahead of the data.
  absl::Status Commit();

  // Counts the artifact that the upload became; `is_new`: the only one.
  void CountPublished(bool is_new);

  // Closes the files and gives the digest, and what it had reserved, free for the next writer.
  void Release();

  // Constant after construction.
  const ArtifactFolder* const folder_;
  const std::string sha256_;
  const int64_t declared_bytes_;
  const int64_t commit_interval_bytes_;

  // Empty once released.
  std::optional<WriterClaim> claim_;
  std::optional<ReservedBytes> reserved_;  // what is not committed yet
  PartialArtifact files_;

  Sha256 hash_;
  int64_t size_bytes_ = 0;
  int64_t given_to_disk_ = 0;  // by WriteBehind or Commit
  int64_t committed_bytes_ = 0;
  // Once set, what was appended since the last commit is not trusted any more.
  absl::Status sync_failed_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_LOCAL_ARTIFACT_UPLOAD_H_
