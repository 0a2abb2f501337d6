// How ArtifactFolder writes a stored artifact anew, in today's form and under today's key.
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <system_error>

#include "server/artifacts/artifact_folder.h"
#include "server/artifacts/posix_file.h"

namespace kprune {
namespace fs = std::filesystem;
namespace {

// When an artifact was of use last is told by its file's time.
absl::Status KeepTimeOfChange(const fs::path& from, const fs::path& to) {
  struct stat info;
  if (::stat(from.c_str(), &info) != 0) return ErrnoStatus("examine", from);
  const struct timespec times[] = {info.st_atim, info.st_mtim};
  return ::utimensat(AT_FDCWD, to.c_str(), times, 0) == 0 ? absl::OkStatus() : ErrnoStatus("date", to);
}

}  // namespace

absl::Status ArtifactFolder::Renew(std::string_view sha256) {
  if (absl::Status removed = RemoveSuperseded(sha256); !removed.ok()) return removed;
  const absl::StatusOr<std::unique_ptr<ContentFile>> object = OpenObject(sha256);
  if (!object.ok()) return object.status();
  const absl::StatusOr<int64_t> size = (*object)->size_bytes();
  if (absl::Status fits = size.ok() ? CheckDisk(*size) : size.status(); !fits.ok()) return fits;
  const absl::StatusOr<std::unique_ptr<ContentFile>> copy = MakeCopy();
  if (!copy.ok()) return copy.status();
  const absl::StatusOr<Artifact> copied = CopyContent(**object, **copy);
  absl::Status status = copied.status();
  if (absl::IsDataLoss(status)) status = SetAside(sha256, "");
  if (copied.ok() && copied->sha256 != sha256) status = SetAside(sha256, copied->sha256);
  if (status.ok()) status = KeepTimeOfChange((*object)->path(), (*copy)->path());
  if (status.ok()) status = (*copy)->file().MakeReadOnly();
  if (status.ok()) status = (*copy)->file().Sync();
  if (status.ok()) status = Replace(sha256, (*copy)->path());
  if (!status.ok()) RemoveFile(disk_, (*copy)->path()).IgnoreError();
  return status;
}

absl::Status ArtifactFolder::Replace(std::string_view sha256, const fs::path& renewed) const {
  const fs::path plain = ObjectPath(sha256);
  std::lock_guard lock(objects_mutex_);
  absl::Status status = FindObject(sha256).status();  // or it was deleted meanwhile
  if (status.ok()) status = Rename(disk_, renewed, forms_.Today(plain));
  if (status.ok()) status = SyncFolder(disk_, plain.parent_path());
  return status.ok() ? RemoveSuperseded(sha256) : status;
}

absl::Status ArtifactFolder::RemoveSuperseded(std::string_view sha256) const {
  const fs::path plain = ObjectPath(sha256);
  std::error_code unreadable;
  if (!fs::exists(forms_.Today(plain), unreadable) || !fs::exists(forms_.Other(plain), unreadable))
    return absl::OkStatus();
  const absl::Status removed = RemoveFile(disk_, forms_.Other(plain));
  return removed.ok() ? SyncFolder(disk_, plain.parent_path()) : removed;
}

}  // namespace kprune
