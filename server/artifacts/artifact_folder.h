// Artifacts on a disk:
//   objects/ab/abcdef...          stored artifacts, read-only, by digest
//   partial/abcdef...             uploads that are not complete
//   partial/abcdef....committed   how many bytes of that upload are safe on the disk
//   partial/copy-N                results on their way in
//   corrupt/abcdef...             artifacts that were read and did not have their digest, kept for the
//   operator
//
// An artifact is published by: write, fsync, rename into objects/, fsync of the folder. A crash at any point
// leaves an upload that continues at its committed size, or the whole artifact.
#ifndef KPRUNE_SERVER_ARTIFACTS_ARTIFACT_FOLDER_H_
#define KPRUNE_SERVER_ARTIFACTS_ARTIFACT_FOLDER_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/artifacts/disk.h"
#include "server/artifacts/stored_bytes.h"

namespace kprune {

// Thread-safe. Every `sha256` must be a checked digest.
class ArtifactFolder {
 public:
  // Borrows `disk` and `stored`, which counts what is in objects/ and is safe in partial/. `free_bytes` null:
  // ask the system.
  ArtifactFolder(Disk& disk, std::filesystem::path folder, StoredBytes& stored, int64_t disk_low_bytes,
                 std::function<int64_t()> free_bytes);

  Disk& disk() const { return disk_; }
  StoredBytes& stored() const { return stored_; }

  // Makes the folders, makes durable what a crash left published but perhaps not synced, removes copies that
  // it left unfinished, and counts what is there.
  absl::Status Prepare();

  std::filesystem::path ObjectPath(std::string_view sha256) const;
  std::filesystem::path PartialPath(std::string_view sha256) const;
  std::filesystem::path CommittedPath(std::string_view sha256) const;

  // A name in partial/ that nobody else uses.
  std::filesystem::path NewCopyPath();

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

  // Moves a complete, synced file of partial/ to its place; OK means that it survives a crash. Returns
  // whether none was there, and leaves it to the caller to count it. After an error it is not at its place,
  // so that nobody takes it for stored.
  absl::StatusOr<bool> Publish(const std::filesystem::path& from, std::string_view sha256) const;

  absl::Status RemovePartial(std::string_view sha256) const;
  absl::Status RemoveObject(std::string_view sha256) const;

  // Moves a stored artifact to corrupt/.
  absl::Status SetAside(std::string_view sha256) const;

  // Makes new entries of partial/ durable.
  absl::Status SyncPartialFolder() const;

 private:
  absl::Status CountStored() const;

  // Constant after construction.
  Disk& disk_;
  const std::filesystem::path folder_;
  StoredBytes& stored_;
  const int64_t disk_low_bytes_;
  const std::function<int64_t()> free_bytes_;

  std::atomic<int64_t> next_copy_{0};
  // Held while an object comes or goes, so that it is counted once.
  mutable std::mutex objects_mutex_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_ARTIFACT_FOLDER_H_
