#include "server/artifacts/artifact_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kprune/artifact_store.h"
#include "server/artifacts/posix_file.h"
#include "server/artifacts/upload_rules.h"

namespace kprune {
namespace fs = std::filesystem;
namespace {

constexpr char kCopyPrefix[] = "copy-";

absl::Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return absl::OkStatus();
  errno = error.value();
  return ErrnoStatus("make folder", folder);
}

// Notes when the files named by a digest changed last. The record of an upload counts for it.
absl::Status FindChanges(const fs::path& folder, std::map<std::string, absl::Time>& changes) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string sha256 = entry->path().stem().string();
    struct stat info;
    if (!IsArtifactDigest(sha256) || ::lstat(entry->path().c_str(), &info) != 0) continue;
    absl::Time& changed = changes.try_emplace(sha256, absl::InfinitePast()).first->second;
    changed = std::max(changed, absl::TimeFromTimespec(info.st_mtim));
  }
  if (!error) return absl::OkStatus();
  errno = error.value();
  return ErrnoStatus("list", folder);
}

std::vector<std::string> Older(const std::map<std::string, absl::Time>& changes, absl::Time before) {
  std::vector<std::string> older;
  for (const auto& [sha256, changed] : changes) {
    if (changed < before) older.push_back(sha256);
  }
  return older;
}

absl::Status RemoveCopies(Disk& disk, const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().rfind(kCopyPrefix, 0) != 0) continue;
    const absl::Status removed = RemoveFile(disk, entry->path());
    if (!removed.ok()) return removed;
  }
  if (!error) return absl::OkStatus();
  errno = error.value();
  return ErrnoStatus("list", folder);
}

}  // namespace

ArtifactFolder::ArtifactFolder(Disk& disk, fs::path folder, StoredBytes& stored, int64_t disk_low_bytes,
                               std::function<int64_t()> free_bytes)
    : disk_(disk),
      folder_(std::move(folder)),
      stored_(stored),
      disk_low_bytes_(disk_low_bytes),
      free_bytes_(std::move(free_bytes)) {}

absl::Status ArtifactFolder::Prepare() {
  // Every objects/ab exists from the start, so publishing never has to make one durable.
  for (int first = 0; first < 256; ++first) {
    const fs::path folder = folder_ / "objects" / absl::StrFormat("%02x", first);
    absl::Status made = MakeFolder(folder);
    std::error_code unreadable;
    if (made.ok() && !fs::is_empty(folder, unreadable)) made = SyncFolder(disk_, folder);
    if (!made.ok()) return made;
  }
  for (const char* name : {"partial", "corrupt"}) {
    const absl::Status made = MakeFolder(folder_ / name);
    if (!made.ok()) return made;
  }
  for (const fs::path& changed : {folder_ / "objects", folder_, folder_.parent_path()}) {
    const absl::Status synced = SyncFolder(disk_, changed.empty() ? fs::path(".") : changed);
    if (!synced.ok()) return synced;
  }
  const absl::Status removed = RemoveCopies(disk_, folder_ / "partial");
  return removed.ok() ? CountStored() : removed;
}

absl::Status ArtifactFolder::CountStored() const {
  const absl::StatusOr<std::vector<std::string>> objects = ListObjects(absl::InfiniteFuture());
  if (!objects.ok()) return objects.status();
  const absl::StatusOr<std::vector<std::string>> partials = ListPartials(absl::InfiniteFuture());
  if (!partials.ok()) return partials.status();
  int64_t bytes = 0;
  for (const std::string& sha256 : *objects) {
    const absl::StatusOr<int64_t> size = StoredSize(sha256);
    if (!size.ok()) return size.status();
    bytes += *size;
  }
  for (const std::string& sha256 : *partials) {
    const absl::StatusOr<int64_t> size = CommittedSize(sha256);
    if (!size.ok()) return size.status();
    bytes += *size;
  }
  stored_.Add(bytes);
  return absl::OkStatus();
}

fs::path ArtifactFolder::ObjectPath(std::string_view sha256) const {
  return folder_ / "objects" / sha256.substr(0, 2) / sha256;
}

fs::path ArtifactFolder::PartialPath(std::string_view sha256) const { return folder_ / "partial" / sha256; }

fs::path ArtifactFolder::CommittedPath(std::string_view sha256) const {
  return folder_ / "partial" / (std::string(sha256) + ".committed");
}

fs::path ArtifactFolder::NewCopyPath() {
  return folder_ / "partial" / absl::StrCat(kCopyPrefix, next_copy_.fetch_add(1));
}

absl::StatusOr<int64_t> ArtifactFolder::StoredSize(std::string_view sha256) const {
  const fs::path path = ObjectPath(sha256);
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (!error) return static_cast<int64_t>(size);
  if (error == std::errc::no_such_file_or_directory) return NotStored(sha256);
  errno = error.value();
  return ErrnoStatus("examine", path);
}

absl::Status ArtifactFolder::Touch(std::string_view sha256) const {
  const fs::path path = ObjectPath(sha256);
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0) return absl::OkStatus();
  if (errno == ENOENT) return NotStored(sha256);
  return ErrnoStatus("touch", path);
}

absl::StatusOr<std::vector<std::string>> ArtifactFolder::ListObjects(absl::Time before) const {
  std::map<std::string, absl::Time> changes;
  for (int first = 0; first < 256; ++first) {
    absl::Status status = FindChanges(folder_ / "objects" / absl::StrFormat("%02x", first), changes);
    if (!status.ok()) return status;
  }
  return Older(changes, before);
}

absl::StatusOr<std::vector<std::string>> ArtifactFolder::ListPartials(absl::Time before) const {
  std::map<std::string, absl::Time> changes;
  if (absl::Status status = FindChanges(folder_ / "partial", changes); !status.ok()) return status;
  return Older(changes, before);
}

absl::StatusOr<int64_t> ArtifactFolder::CommittedSize(std::string_view sha256) const {
  absl::StatusOr<PosixFile> record = PosixFile::Open(disk_, CommittedPath(sha256), O_RDONLY);
  if (absl::IsNotFound(record.status())) return 0;
  if (!record.ok()) return record.status();
  absl::StatusOr<PosixFile> data = PosixFile::Open(disk_, PartialPath(sha256), O_RDONLY);
  if (absl::IsNotFound(data.status())) return 0;
  if (!data.ok()) return data.status();
  const absl::StatusOr<int64_t> size = data->size_bytes();
  if (!size.ok()) return size.status();

  std::string bytes;
  const absl::Status read = record->ReadAt(0, sizeof(int64_t), &bytes);
  if (!read.ok()) return read;
  int64_t committed = 0;
  if (bytes.size() == sizeof committed) std::memcpy(&committed, bytes.data(), sizeof committed);
  return std::clamp<int64_t>(committed, 0, *size);
}

absl::Status ArtifactFolder::CheckDisk(int64_t more_bytes) const {
  int64_t free = 0;
  if (free_bytes_) {
    free = free_bytes_();
  } else {
    struct statvfs info;
    if (::statvfs(folder_.c_str(), &info) != 0) return ErrnoStatus("examine the disk of", folder_);
    free = static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
  }
  if (free - more_bytes >= disk_low_bytes_) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("disk low: ", more_bytes, " more bytes would leave ", free - more_bytes, " of the ",
                   disk_low_bytes_, " bytes that this server keeps free; delete finished jobs first"));
}

absl::StatusOr<bool> ArtifactFolder::Publish(const fs::path& from, std::string_view sha256) const {
  const fs::path to = ObjectPath(sha256);
  bool is_new = false;
  {
    std::lock_guard lock(objects_mutex_);
    is_new = absl::IsNotFound(StoredSize(sha256).status());
    const absl::Status renamed = Rename(disk_, from, to);
    if (!renamed.ok()) return renamed;
  }
  absl::Status synced = SyncFolder(disk_, to.parent_path());
  if (synced.ok()) return is_new;
  if (!Rename(disk_, to, from).ok()) RemoveFile(disk_, to).IgnoreError();
  return synced;
}

absl::Status ArtifactFolder::RemovePartial(std::string_view sha256) const {
  const absl::StatusOr<int64_t> committed = CommittedSize(sha256);
  absl::Status removed = RemoveFile(disk_, CommittedPath(sha256));
  if (removed.ok() && committed.ok()) stored_.Add(-*committed);
  removed.Update(RemoveFile(disk_, PartialPath(sha256)));
  return removed;
}

absl::Status ArtifactFolder::RemoveObject(std::string_view sha256) const {
  const fs::path path = ObjectPath(sha256);
  {
    std::lock_guard lock(objects_mutex_);
    const absl::StatusOr<int64_t> size = StoredSize(sha256);
    const absl::Status removed = RemoveFile(disk_, path);
    if (!removed.ok()) return removed;
    if (size.ok()) stored_.Add(-*size);
  }
  return SyncFolder(disk_, path.parent_path());
}

absl::Status ArtifactFolder::SetAside(std::string_view sha256) const {
  std::lock_guard lock(objects_mutex_);
  const absl::StatusOr<int64_t> size = StoredSize(sha256);
  const absl::Status aside = Rename(disk_, ObjectPath(sha256), folder_ / "corrupt" / sha256);
  if (aside.ok() && size.ok()) stored_.Add(-*size);
  return aside;
}

absl::Status ArtifactFolder::SyncPartialFolder() const { return SyncFolder(disk_, folder_ / "partial"); }

}  // namespace kprune
