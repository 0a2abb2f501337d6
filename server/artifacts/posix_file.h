// Files by descriptor, with every error a status that names the path, and folders made durable.
#ifndef KPRUNE_SERVER_ARTIFACTS_POSIX_FILE_H_
#define KPRUNE_SERVER_ARTIFACTS_POSIX_FILE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/artifacts/disk.h"

namespace kprune {

// Owns a descriptor. Movable; used by one thread at a time.
class PosixFile {
 public:
  // `flags` as for open(2); O_CLOEXEC is added. Borrows `disk`. NotFound where there is no such file.
  static absl::StatusOr<PosixFile> Open(Disk& disk, const std::filesystem::path& path, int flags);

  PosixFile(PosixFile&& other) noexcept;
  PosixFile& operator=(PosixFile&& other) noexcept;
  ~PosixFile();

  absl::StatusOr<int64_t> size_bytes() const;

  // Fills `*bytes` from `offset` with at most `max_bytes`; shorter only at the end of the file.
  absl::Status ReadAt(int64_t offset, int64_t max_bytes, std::string* bytes) const;

  // Writes all of `bytes` at `offset`. ResourceExhausted when the disk is full.
  absl::Status WriteAt(int64_t offset, std::string_view bytes);

  absl::Status Truncate(int64_t size_bytes);
  absl::Status MakeReadOnly();

  // Returns when the content is on the disk.
  absl::Status Sync();

  // Lets the disk begin with that part, so that Sync has less to wait for. Promises nothing; an error is that
  // of the next Sync.
  void StartWriteback(int64_t offset, int64_t count);

  const std::filesystem::path& path() const { return path_; }

 private:
  PosixFile(Disk& disk, int descriptor, std::filesystem::path path);

  Disk* disk_;
  int descriptor_ = -1;
  std::filesystem::path path_;
};

// errno as a status: "cannot `action` `path`: <reason>".
absl::Status ErrnoStatus(std::string_view action, const std::filesystem::path& path);

// Makes creations, renames and removals in `folder` durable.
absl::Status SyncFolder(Disk& disk, const std::filesystem::path& folder);

// Renames within one file system, replacing what is there.
absl::Status Rename(Disk& disk, const std::filesystem::path& from, const std::filesystem::path& to);

// Removes a file; OK when there is none.
absl::Status RemoveFile(Disk& disk, const std::filesystem::path& path);

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_POSIX_FILE_H_
