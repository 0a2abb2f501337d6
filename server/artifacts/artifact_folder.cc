#include "server/artifacts/artifact_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kprune/artifact_store.h"
#include "server/artifacts/posix_file.h"
#include "server/artifacts/upload_rules.h"
#include "server/log.h"

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
                               std::function<int64_t()> free_bytes,
                               std::shared_ptr<const ArtifactEncryption> encryption)
    : disk_(disk),
      folder_(std::move(folder)),
      stored_(stored),
      disk_low_bytes_(disk_low_bytes),
      free_bytes_(std::move(free_bytes)),
      forms_(disk, std::move(encryption)) {}

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
  absl::Status status = CheckKeys();
  if (status.ok()) status = RemoveCopies(disk_, folder_ / "partial");
  if (status.ok()) status = RemoveOutdatedPartials();
  return status.ok() ? CountStored() : status;
}

absl::Status ArtifactFolder::CheckKeys() const {
  const absl::StatusOr<std::vector<std::string>> objects = ListObjects(absl::InfiniteFuture());
  if (!objects.ok()) return objects.status();
  const absl::StatusOr<std::vector<std::string>> partials = ListPartials(absl::InfiniteFuture());
  if (!partials.ok()) return partials.status();
  std::vector<fs::path> files;
  for (const std::string& sha256 : *objects) files.push_back(ObjectPath(sha256));
  for (const std::string& sha256 : *partials) files.push_back(folder_ / "partial" / sha256);
  for (const fs::path& plain : files) {
    for (const fs::path& file : {forms_.Today(plain), forms_.Other(plain)}) {
      const absl::Status readable = forms_.CheckKey(file);
      if (!readable.ok() && !absl::IsNotFound(readable)) return readable;
    }
  }
  return absl::OkStatus();
}

absl::Status ArtifactFolder::RemoveOutdatedPartials() const {
  const absl::StatusOr<std::vector<std::string>> partials = ListPartials(absl::InfiniteFuture());
  if (!partials.ok()) return partials.status();
  for (const std::string& sha256 : *partials) {
    const fs::path other = forms_.Other(folder_ / "partial" / sha256);
    std::error_code unreadable;
    bool is_outdated = fs::exists(other, unreadable);
    if (!is_outdated) {
      const absl::StatusOr<bool> of_before = forms_.IsOutdated(PartialPath(sha256));
      if (!of_before.ok() && !absl::IsNotFound(of_before.status())) return of_before.status();
      is_outdated = of_before.ok() && *of_before;
    }
    if (!is_outdated) continue;
    absl::Status removed = RemoveFile(disk_, CommittedPath(sha256));
    if (removed.ok()) removed = RemoveFile(disk_, other);
    if (removed.ok()) removed = RemoveFile(disk_, PartialPath(sha256));
    if (!removed.ok()) return removed;
  }
  return absl::OkStatus();
}

absl::Status ArtifactFolder::CountStored() const {
  const absl::StatusOr<std::vector<std::string>> objects = ListObjects(absl::InfiniteFuture());
  if (!objects.ok()) return objects.status();
  const absl::StatusOr<std::vector<std::string>> partials = ListPartials(absl::InfiniteFuture());
  if (!partials.ok()) return partials.status();
  ArtifactUsage artifacts;
  for (const std::string& sha256 : *objects) {
    if (absl::Status removed = RemoveSuperseded(sha256); !removed.ok()) return removed;
    const absl::StatusOr<int64_t> size = StoredSize(sha256);
    if (absl::IsNotFound(size.status())) continue;  // somebody else's file, whose name begins with a digest
    if (!size.ok()) return size.status();
    ++artifacts.artifacts;
    artifacts.bytes += *size;
  }
  stored_.AddArtifacts(artifacts);
  int64_t bytes = artifacts.bytes;
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

fs::path ArtifactFolder::PartialPath(std::string_view sha256) const {
  return forms_.Today(folder_ / "partial" / sha256);
}

fs::path ArtifactFolder::CommittedPath(std::string_view sha256) const {
  return folder_ / "partial" / (std::string(sha256) + ".committed");
}

absl::StatusOr<fs::path> ArtifactFolder::FindObject(std::string_view sha256) const {
  const fs::path plain = ObjectPath(sha256);
  // The first once more: a renewal takes the second away when that is there.
  for (const fs::path& path : {forms_.Today(plain), forms_.Other(plain), forms_.Today(plain)}) {
    std::error_code error;
    if (fs::exists(path, error)) return path;
    if (!error) continue;
    errno = error.value();
    return ErrnoStatus("examine", path);
  }
  return NotStored(sha256);
}

template <typename Found>
absl::StatusOr<Found> ArtifactFolder::OfObject(
    std::string_view sha256,
    const std::function<absl::StatusOr<Found>(const std::filesystem::path&)>& look) const {
  for (int tries = 0; tries < 2; ++tries) {
    const absl::StatusOr<fs::path> object = FindObject(sha256);
    if (!object.ok()) return object.status();
    absl::StatusOr<Found> found = look(*object);
    if (!absl::IsNotFound(found.status())) return found;
  }
  return NotStored(sha256);
}

absl::StatusOr<int64_t> ArtifactFolder::StoredSize(std::string_view sha256) const {
  return OfObject<int64_t>(sha256, [&](const fs::path& object) { return forms_.ContentBytes(object); });
}

absl::Status ArtifactFolder::Touch(std::string_view sha256) const {
  const auto touched = OfObject<bool>(sha256, [&](const fs::path& object) -> absl::StatusOr<bool> {
    if (::utimensat(AT_FDCWD, object.c_str(), nullptr, 0) == 0) return true;
    return ErrnoStatus("touch", object);
  });
  return touched.status();
}

absl::StatusOr<std::unique_ptr<ContentFile>> ArtifactFolder::OpenObject(std::string_view sha256) const {
  auto opened = OfObject<std::unique_ptr<ContentFile>>(
      sha256, [&](const fs::path& object) { return forms_.Open(object); });
  if (absl::IsDataLoss(opened.status())) return SetAside(sha256, "");
  return opened;
}

absl::StatusOr<PartialArtifact> ArtifactFolder::OpenPartial(std::string_view sha256) const {
  absl::StatusOr<PartialArtifact> partial =
      forms_.OpenPartial(PartialPath(sha256), CommittedPath(sha256), /*make=*/true);
  if (!partial.ok()) return partial;
  // Their names are made durable, too.
  if (absl::Status synced = SyncFolder(disk_, folder_ / "partial"); !synced.ok()) return synced;
  return partial;
}

absl::StatusOr<std::unique_ptr<ContentFile>> ArtifactFolder::MakeCopy() {
  return forms_.Make(folder_ / "partial" / absl::StrCat(kCopyPrefix, next_copy_.fetch_add(1)));
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
  return forms_.CommittedBytes(PartialPath(sha256), CommittedPath(sha256));
}

absl::Status ArtifactFolder::CheckRoomIn(const fs::path& folder, int64_t bytes) const {
  struct stat ours, theirs;
  if (::stat(folder_.c_str(), &ours) == 0 && ::stat(folder.c_str(), &theirs) == 0 &&
      ours.st_dev == theirs.st_dev)
    return CheckDisk(bytes);
  struct statvfs info;
  if (::statvfs(folder.c_str(), &info) != 0) return ErrnoStatus("examine the disk of", folder);
  const int64_t free = static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
  if (bytes <= free) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("disk full: ", bytes, " bytes do not fit in the ", free, " that are free"));
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
  const fs::path to = forms_.Today(ObjectPath(sha256));
  bool is_new = false;
  int64_t size = 0;
  {
    std::lock_guard lock(objects_mutex_);
    is_new = absl::IsNotFound(StoredSize(sha256).status());
    const absl::Status renamed = Rename(disk_, from, to);
    if (!renamed.ok()) return renamed;
    size = StoredSize(sha256).value_or(0);
    if (is_new) stored_.AddArtifacts({1, size});
  }
  absl::Status synced = SyncFolder(disk_, to.parent_path());
  if (synced.ok()) return is_new;
  if (is_new) stored_.AddArtifacts({-1, -size});
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

absl::Status ArtifactFolder::RemoveRecord(std::string_view sha256) const {
  return RemoveFile(disk_, CommittedPath(sha256));
}

absl::Status ArtifactFolder::RemoveObject(std::string_view sha256) const {
  const fs::path plain = ObjectPath(sha256);
  {
    std::lock_guard lock(objects_mutex_);
    const absl::StatusOr<int64_t> size = StoredSize(sha256);
    // The other is there while it is renewed.
    absl::Status removed = RemoveFile(disk_, forms_.Other(plain));
    if (removed.ok()) removed = RemoveFile(disk_, forms_.Today(plain));
    if (!removed.ok()) return removed;
    if (size.ok()) CountGone(*size);
  }
  return SyncFolder(disk_, plain.parent_path());
}

void ArtifactFolder::CountGone(int64_t object_bytes) const {
  stored_.Add(-object_bytes);
  stored_.AddArtifacts({-1, -object_bytes});
}

absl::Status ArtifactFolder::SetAside(std::string_view sha256, std::string_view actual_sha256) const {
  LogError("artifact-corrupt", {{"sha256", std::string(sha256)}, {"actual", std::string(actual_sha256)}});
  std::lock_guard lock(objects_mutex_);
  const absl::StatusOr<fs::path> object = FindObject(sha256);
  absl::Status aside = object.status();
  if (aside.ok()) {
    const absl::StatusOr<int64_t> size = forms_.ContentBytes(*object);
    aside = Rename(disk_, *object, folder_ / "corrupt" / object->filename());
    if (aside.ok()) CountGone(size.value_or(0));
  }
  if (!aside.ok())
    LogError("artifact-not-set-aside", {{"sha256", std::string(sha256)}, {"error", aside.ToString()}});
  return Corrupt(sha256, actual_sha256);
}

absl::StatusOr<std::vector<std::string>> ArtifactFolder::ListOutdated() const {
  const absl::StatusOr<std::vector<std::string>> objects = ListObjects(absl::InfiniteFuture());
  if (!objects.ok()) return objects.status();
  std::vector<std::string> outdated;
  for (const std::string& sha256 : *objects) {
    const auto is_outdated =
        OfObject<bool>(sha256, [&](const fs::path& object) { return forms_.IsOutdated(object); });
    if (absl::IsNotFound(is_outdated.status())) continue;  // deleted since
    std::error_code unreadable;
    const bool superseded = fs::exists(forms_.Other(ObjectPath(sha256)), unreadable);
    // What cannot be read is for Renew to say.
    if (superseded || !is_outdated.ok() || *is_outdated) outdated.push_back(sha256);
  }
  return outdated;
}

}  // namespace kprune
