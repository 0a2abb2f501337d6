// Artifacts on a disk:
//   objects/ab/abcdef...          stored artifacts, read-only, by digest
//   partial/abcdef...             uploads that are not complete
//   partial/abcdef....committed   how many bytes of that upload are safe on the disk
//   partial/copy-N                results on their way in
//   corrupt/abcdef...             artifacts that were read and did not have their digest, kept for the
//   operator
// Names of files that are encrypted end with .sealed (artifact_forms.h).
//
// An artifact is published by: write, fsync, rename into objects/, fsync of the folder. A crash at any point
// leaves an upload that continues at its committed size, or the whole artifact.
#ifndef KPRUNE_SERVER_ARTIFACTS_ARTIFACT_FOLDER_H_
#define KPRUNE_SERVER_ARTIFACTS_ARTIFACT_FOLDER_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/artifacts/artifact_forms.h"
#include "server/artifacts/content_file.h"
#include "server/artifacts/disk.h"
#include "server/artifacts/stored_bytes.h"

namespace kprune {

// Thread-safe. Every `sha256` must be a checked digest.
class ArtifactFolder {
 public:
  // Borrows `disk` and `stored`, which counts what is in objects/ and is safe in partial/. `free_bytes` null:
  // ask the system. `encryption` null: none.
  ArtifactFolder(Disk& disk, std::filesystem::path folder, StoredBytes& stored, int64_t disk_low_bytes,
                 std::function<int64_t()> free_bytes, std::shared_ptr<const ArtifactEncryption> encryption);

  Disk& disk() const { return disk_; }
  StoredBytes& stored() const { return stored_; }

  // Makes the folders, makes durable what a crash left published but perhaps not synced, removes copies that
  // it left unfinished and uploads that were begun in another form or under a key of before, and counts what
  // is there. FailedPrecondition, and nothing was removed: a file is encrypted under a key that is not given.
  absl::Status Prepare();

  // A stored artifact's content. NotFound. DataLoss: it is damaged, and was set aside.
  absl::StatusOr<std::unique_ptr<ContentFile>> OpenObject(std::string_view sha256) const;

  // The files of an upload, made where they are missing.
  absl::StatusOr<PartialArtifact> OpenPartial(std::string_view sha256) const;

  // An empty file in partial/ that nobody else uses.
  absl::StatusOr<std::unique_ptr<ContentFile>> MakeCopy();

  // NotFound.
  absl::StatusOr<int64_t> StoredSize(std::string_view sha256) const;

  // Notes that a stored artifact is of use now: its file's time of change. NotFound.
  absl::Status Touch(std::string_view sha256) const;

  // Stored artifacts, and partial uploads, whose files changed last before that.
  absl::StatusOr<std::vector<std::string>> ListObjects(absl::Time before) const;
  absl::StatusOr<std::vector<std::string>> ListPartials(absl::Time before) const;

  // What an upload left safe on the disk; 0 where there is none.
  absl::StatusOr<int64_t> CommittedSize(std::string_view sha256) const;

  // ResourceExhausted when `more_bytes` would leave less than disk_low_bytes.
  absl::Status CheckDisk(int64_t more_bytes) const;

  // The same for a folder of the same disk; ResourceExhausted when they do not fit on another.
  absl::Status CheckRoomIn(const std::filesystem::path& folder, int64_t bytes) const;

  // Moves a complete, synced file of partial/ to its place; OK means that it survives a crash. Returns
  // whether none was there, and leaves it to the caller to count its bytes for the limit. After an error it
  // is not at its place, so that nobody takes it for stored.
  absl::StatusOr<bool> Publish(const std::filesystem::path& from, std::string_view sha256) const;

  absl::Status RemovePartial(std::string_view sha256) const;
  // Of an upload that was published.
  absl::Status RemoveRecord(std::string_view sha256) const;
  absl::Status RemoveObject(std::string_view sha256) const;

  // Moves a stored artifact that turned out to be damaged to corrupt/ and says so in the log; returns the
  // DataLoss for who asked. `actual_sha256` empty: it could not be read to its end.
  absl::Status SetAside(std::string_view sha256, std::string_view actual_sha256) const;

  // Stored artifacts that are plain although they are to be encrypted, or are under a key of before.
  absl::StatusOr<std::vector<std::string>> ListOutdated() const;

  // Writes a stored artifact anew in today's form and under today's key. Readers and links keep the old
  // bytes; a crash leaves the old file or both. NotFound; DataLoss; ResourceExhausted: the disk is low.
  absl::Status Renew(std::string_view sha256);

 private:
  std::filesystem::path ObjectPath(std::string_view sha256) const;
  std::filesystem::path PartialPath(std::string_view sha256) const;
  std::filesystem::path CommittedPath(std::string_view sha256) const;
  // Where a stored artifact is, in whatever form. NotFound.
  absl::StatusOr<std::filesystem::path> FindObject(std::string_view sha256) const;

  absl::Status CountStored() const;
  absl::Status CheckKeys() const;
  absl::Status RemoveOutdatedPartials() const;
  // Removes the file of before where that of today is there: a renewal was not finished.
  absl::Status RemoveSuperseded(std::string_view sha256) const;
  // What `look` finds at a stored artifact's file; looks once more where a renewal took the file away in
  // between. NotFound.
  template <typename Found>
  absl::StatusOr<Found> OfObject(
      std::string_view sha256,
      const std::function<absl::StatusOr<Found>(const std::filesystem::path&)>& look) const;
  void CountGone(int64_t object_bytes) const;
  // Puts the file in the place of the artifact, which must still be stored.
  absl::Status Replace(std::string_view sha256, const std::filesystem::path& renewed) const;

  // Constant after construction.
  Disk& disk_;
  const std::filesystem::path folder_;
  StoredBytes& stored_;
  const int64_t disk_low_bytes_;
  const std::function<int64_t()> free_bytes_;
  const ArtifactForms forms_;

  std::atomic<int64_t> next_copy_{0};
  // Held while an object comes or goes, so that it is counted once.
  mutable std::mutex objects_mutex_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_ARTIFACT_FOLDER_H_
