#include "server/artifacts/local_artifact_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/artifacts/local_artifact_reader.h"
#include "server/artifacts/local_artifact_upload.h"
#include "server/artifacts/posix_file.h"
#include "server/artifacts/sha256.h"
#include "server/artifacts/upload_rules.h"

namespace kprune {
namespace fs = std::filesystem;
namespace {

// Without a wait on a pipe and without following a link: the file may come from a worker.
absl::StatusOr<PosixFile> OpenRegularFile(Disk& disk, const fs::path& file) {
  absl::StatusOr<PosixFile> opened = PosixFile::Open(disk, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (absl::IsNotFound(opened.status())) return opened.status();
  std::error_code error;
  const bool regular = fs::symlink_status(file, error).type() == fs::file_type::regular;
  if (!regular || absl::IsPermissionDenied(opened.status())) {
    return absl::InvalidArgumentError(absl::StrCat(file.string(), " is not a readable regular file"));
  }
  return opened;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalArtifactStore>> LocalArtifactStore::Open(
    LocalArtifactStoreOptions options) {
  std::unique_ptr<LocalArtifactStore> store(new LocalArtifactStore(std::move(options)));
  const absl::Status prepared = store->folder_.Prepare();
  if (!prepared.ok()) return prepared;
  return store;
}

LocalArtifactStore::LocalArtifactStore(LocalArtifactStoreOptions options)
    : options_(std::move(options)),
      stored_(options_.tenant, options_.max_stored_bytes),
      folder_(options_.disk != nullptr ? *options_.disk : Disk::Kernel(), options_.folder, stored_,
              options_.disk_low_bytes, options_.free_bytes, options_.encryption) {}

absl::StatusOr<std::vector<std::string>> LocalArtifactStore::FindMissing(
    const std::vector<std::string>& digests) {
  std::vector<std::string> missing;
  for (const std::string& sha256 : digests) {
    const absl::Status checked = CheckDigest(sha256);
    if (!checked.ok()) return checked;
    const absl::Status used = folder_.Touch(sha256);
    if (used.ok()) continue;
    if (!absl::IsNotFound(used)) return used;
    missing.push_back(sha256);
  }
  return missing;
}

absl::StatusOr<UploadState> LocalArtifactStore::Query(std::string_view sha256) {
  const absl::Status checked = CheckDigest(sha256);
  if (!checked.ok()) return checked;
  const absl::StatusOr<int64_t> stored = folder_.StoredSize(sha256);
  if (stored.ok()) return UploadState{*stored, true};
  if (!absl::IsNotFound(stored.status())) return stored.status();
  if (const std::optional<int64_t> uploading = claims_.CommittedBytes(sha256))
    return UploadState{*uploading, false};
  const absl::StatusOr<int64_t> committed = folder_.CommittedSize(sha256);
  if (!committed.ok()) return committed.status();
  return UploadState{*committed, false};
}

absl::StatusOr<std::unique_ptr<ArtifactUpload>> LocalArtifactStore::BeginUpload(std::string_view sha256,
                                                                                int64_t size_bytes,
                                                                                int64_t offset) {
  absl::Status status = CheckDigest(sha256);
  if (status.ok()) status = CheckUploadSize(sha256, size_bytes, options_.max_artifact_bytes);
  if (!status.ok()) return status;
  absl::StatusOr<int64_t> committed = folder_.CommittedSize(sha256);
  if (!committed.ok()) return committed.status();
  absl::StatusOr<WriterClaim> claim = claims_.Claim(sha256, *committed);
  const absl::StatusOr<int64_t> stored = folder_.StoredSize(sha256);
  if (stored.ok()) {
    status = CheckStoredSize(sha256, size_bytes, *stored);
    if (status.ok()) status = folder_.Touch(sha256);
    if (!status.ok()) return status;
    return nullptr;
  }
  if (!absl::IsNotFound(stored.status())) return stored.status();
  if (!claim.ok()) return claim.status();

  // Again, now that nobody else changes it.
  committed = folder_.CommittedSize(sha256);
  if (!committed.ok()) return committed.status();
  claim->SetCommitted(*committed);
  if (offset != *committed) return WrongOffset(sha256, offset, *committed);
  if (*committed > size_bytes) {
    status = folder_.RemovePartial(sha256);
    if (!status.ok()) return status;
    return CheckFinished(sha256, size_bytes, sha256, *committed);
  }
  absl::StatusOr<ReservedBytes> reserved = stored_.Reserve(size_bytes - *committed);
  if (!reserved.ok()) return reserved.status();
  status = folder_.CheckDisk(size_bytes - *committed);
  if (!status.ok()) return status;
  return LocalArtifactUpload::Open(&folder_, *std::move(claim), *std::move(reserved), size_bytes, *committed,
                                   options_.commit_interval_bytes);
}

absl::StatusOr<Artifact> LocalArtifactStore::PutFile(const fs::path& file) {
  const absl::StatusOr<std::unique_ptr<ContentFile>> copy = folder_.MakeCopy();
  if (!copy.ok()) return copy.status();
  absl::StatusOr<Artifact> artifact = CopyIn(file, **copy);
  absl::Status status = artifact.status();
  const bool is_new = status.ok() && !folder_.StoredSize(artifact->sha256).ok();
  if (is_new) {
    const absl::StatusOr<bool> published = folder_.Publish((*copy)->path(), artifact->sha256);
    status = published.status();
    if (published.ok() && *published) stored_.Add(artifact->size_bytes);
  }
  if (status.ok() && !is_new) status = folder_.Touch(artifact->sha256);
  if (!status.ok() || !is_new) status.Update(RemoveFile(folder_.disk(), (*copy)->path()));
  if (!status.ok()) return status;
  return artifact;
}

absl::StatusOr<Artifact> LocalArtifactStore::CopyIn(const fs::path& file, ContentFile& copy) {
  absl::StatusOr<PosixFile> source = OpenRegularFile(folder_.disk(), file);
  if (!source.ok()) return source.status();
  absl::StatusOr<Artifact> copied = CopyContent(PlainFile(*std::move(source)), copy);
  if (!copied.ok()) return copied;
  if (copied->size_bytes == 0)
    return absl::InvalidArgumentError(absl::StrCat(file.string(), " is empty; an artifact is not"));
  absl::Status status = copy.file().MakeReadOnly();
  if (status.ok()) status = copy.file().Sync();
  if (!status.ok()) return status;
  return copied;
}

absl::StatusOr<std::unique_ptr<ArtifactReader>> LocalArtifactStore::OpenForRead(std::string_view sha256,
                                                                                int64_t offset) {
  const absl::Status checked = CheckDigest(sha256);
  if (!checked.ok()) return checked;
  return LocalArtifactReader::Open(&folder_, std::string(sha256), offset);
}

absl::Status LocalArtifactStore::LinkTo(std::string_view sha256, const fs::path& destination) {
  const absl::Status checked = CheckDigest(sha256);
  if (!checked.ok()) return checked;
  const absl::StatusOr<std::unique_ptr<ContentFile>> object = folder_.OpenObject(sha256);
  if (!object.ok()) return object.status();
  if ((*object)->is_plain() && ::link((*object)->path().c_str(), destination.c_str()) == 0)
    return absl::OkStatus();
  // An encrypted one, another file system, one without links, one link too many, or an artifact that was just
  // renewed: a copy serves as well.
  return CopyOut(sha256, **object, destination);
}

absl::Status LocalArtifactStore::CopyOut(std::string_view sha256, const ContentFile& object,
                                         const fs::path& destination) {
  const absl::StatusOr<int64_t> size = object.size_bytes();
  if (!size.ok()) return size.status();
  absl::Status fits = folder_.CheckRoomIn(destination.parent_path(), *size);
  if (!fits.ok()) return fits;
  absl::StatusOr<PosixFile> made = PosixFile::Open(folder_.disk(), destination, O_WRONLY | O_CREAT | O_EXCL);
  if (!made.ok()) return made.status();
  PlainFile copy(*std::move(made));
  const absl::StatusOr<Artifact> copied = CopyContent(object, copy);
  absl::Status status = copied.status();
  if (absl::IsDataLoss(status)) status = folder_.SetAside(sha256, "");
  if (copied.ok() && copied->sha256 != sha256) status = folder_.SetAside(sha256, copied->sha256);
  if (status.ok()) status = copy.file().MakeReadOnly();
  if (!status.ok()) RemoveFile(folder_.disk(), destination).IgnoreError();
  return status;
}

absl::Status LocalArtifactStore::Delete(std::string_view sha256) {
  const absl::Status checked = CheckDigest(sha256);
  if (!checked.ok()) return checked;
  const absl::StatusOr<int64_t> stored = folder_.StoredSize(sha256);
  if (!stored.ok()) return stored.status();
  return folder_.RemoveObject(sha256);
}

absl::StatusOr<std::vector<std::string>> LocalArtifactStore::ListUnused(absl::Time before) {
  return folder_.ListObjects(before);
}

absl::StatusOr<int> LocalArtifactStore::RemoveStaleUploads(absl::Time before) {
  const absl::StatusOr<std::vector<std::string>> stale = folder_.ListPartials(before);
  if (!stale.ok()) return stale.status();
  int removed = 0;
  for (const std::string& sha256 : *stale) {
    const absl::StatusOr<WriterClaim> claim = claims_.Claim(sha256, 0);
    if (!claim.ok()) continue;  // somebody goes on with it
    const absl::Status status = folder_.RemovePartial(sha256);
    if (!status.ok()) return status;
    ++removed;
  }
  return removed;
}

absl::Status LocalArtifactStore::Renew(std::string_view sha256) {
  const absl::Status checked = CheckDigest(sha256);
  return checked.ok() ? folder_.Renew(sha256) : checked;
}

}  // namespace kprune
