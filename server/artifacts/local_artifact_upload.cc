#include "server/artifacts/local_artifact_upload.h"

#include <algorithm>
#include <utility>

#include "server/artifacts/upload_rules.h"
#include "server/log.h"

namespace kprune {
namespace {

constexpr int64_t kReadBytes = 1 << 20;

// Parts of a commit in which the disk is given the data.
constexpr int64_t kPartsOfCommit = 8;

}  // namespace

absl::StatusOr<std::unique_ptr<ArtifactUpload>> LocalArtifactUpload::Open(
    const ArtifactFolder* folder, WriterClaim claim, ReservedBytes reserved, int64_t declared_bytes,
    int64_t committed_bytes, int64_t commit_interval_bytes) {
  absl::StatusOr<PartialArtifact> files = folder->OpenPartial(claim.sha256());
  if (!files.ok()) return files.status();
  std::unique_ptr<LocalArtifactUpload> upload(
      new LocalArtifactUpload(folder, std::move(claim), std::move(reserved), declared_bytes,
                              commit_interval_bytes, *std::move(files)));
  const absl::Status status = upload->Restore(committed_bytes);
  if (absl::IsDataLoss(status)) {
    upload->Discard();
    return WrongOffset(upload->sha256_, committed_bytes, 0);
  }
  if (!status.ok()) return status;
  return upload;
}

LocalArtifactUpload::LocalArtifactUpload(const ArtifactFolder* folder, WriterClaim claim,
                                         ReservedBytes reserved, int64_t declared_bytes,
                                         int64_t commit_interval_bytes, PartialArtifact files)
    : folder_(folder),
      sha256_(claim.sha256()),
      declared_bytes_(declared_bytes),
      commit_interval_bytes_(commit_interval_bytes),
      claim_(std::move(claim)),
      reserved_(std::move(reserved)),
      files_(std::move(files)) {}

LocalArtifactUpload::~LocalArtifactUpload() {
  if (!claim_) return;
  const absl::Status committed = Commit();
  if (!committed.ok())
    LogError("upload-not-committed", {{"sha256", sha256_}, {"error", committed.ToString()}});
  Release();
}

absl::Status LocalArtifactUpload::Restore(int64_t committed_bytes) {
  absl::StatusOr<Committed> committed = files_.record->Read();
  if (!committed.ok()) return committed.status();
  // Of another size where the data turned out to be shorter.
  const std::string tail = committed->size_bytes == committed_bytes ? committed->tail : "";
  const int64_t in_file = committed_bytes - static_cast<int64_t>(tail.size());
  absl::Status status = files_.data->TruncateTo(in_file);
  std::string bytes;
  while (status.ok() && size_bytes_ < in_file) {
    status = files_.data->ReadAt(size_bytes_, std::min(kReadBytes, in_file - size_bytes_), &bytes);
    if (status.ok() && bytes.empty())
      status = absl::DataLossError("the partial upload became shorter while it was read");
    hash_.Update(bytes);
    size_bytes_ += static_cast<int64_t>(bytes.size());
  }
  if (status.ok()) status = files_.data->Append(tail);
  if (!status.ok()) return status;
  hash_.Update(tail);
  committed_bytes_ = given_to_disk_ = size_bytes_ = committed_bytes;
  return absl::OkStatus();
}

absl::Status LocalArtifactUpload::Append(std::string_view bytes) {
  const int64_t count = static_cast<int64_t>(bytes.size());
  absl::Status status = CheckAppend(sha256_, size_bytes_, count, declared_bytes_);
  if (!status.ok()) return status;
  status = files_.data->Append(bytes);
  if (!status.ok()) return status;
  hash_.Update(bytes);
  size_bytes_ += count;
  WriteBehind();
  if (size_bytes_ - committed_bytes_ < commit_interval_bytes_) return absl::OkStatus();
  status = Commit();
  if (!status.ok()) return status;
  return folder_->CheckDisk(declared_bytes_ - size_bytes_);
}

void LocalArtifactUpload::WriteBehind() {
  if (size_bytes_ - given_to_disk_ < commit_interval_bytes_ / kPartsOfCommit) return;
  files_.data->StartWriteback(given_to_disk_, size_bytes_ - given_to_disk_);
  given_to_disk_ = size_bytes_;
}

absl::Status LocalArtifactUpload::Commit() {
  if (size_bytes_ == committed_bytes_) return absl::OkStatus();
  if (!sync_failed_.ok()) return sync_failed_;
  // After a failure the kernel has forgotten what was not written: a second fsync would succeed and mean
  // nothing.
  sync_failed_ = files_.data->file().Sync();
  if (!sync_failed_.ok()) return sync_failed_;
  const absl::Status status = files_.record->Write(size_bytes_, files_.data->held_back());
  if (!status.ok()) return status;
  reserved_->Keep(size_bytes_ - committed_bytes_);
  committed_bytes_ = given_to_disk_ = size_bytes_;
  claim_->SetCommitted(committed_bytes_);
  return absl::OkStatus();
}

absl::StatusOr<Artifact> LocalArtifactUpload::Finish() {
  absl::Status status = CheckFinished(sha256_, declared_bytes_, hash_.HexDigest(), size_bytes_);
  if (!status.ok()) {
    Discard();
    return status;
  }
  status = sync_failed_;
  if (status.ok()) status = files_.data->Complete();
  if (status.ok()) status = files_.data->file().Sync();
  if (status.ok()) {
    const absl::StatusOr<bool> published = folder_->Publish(files_.data->path(), sha256_);
    status = published.status();
    if (published.ok()) CountPublished(*published);
  }
  // Only now: an upload that could not be published is continued.
  if (status.ok()) status = files_.data->file().MakeReadOnly();
  if (status.ok()) status = folder_->RemoveRecord(sha256_);
  // After a failure the partial upload stays as far as it is committed.
  Release();
  if (!status.ok()) return status;
  return Artifact{sha256_, size_bytes_};
}

void LocalArtifactUpload::CountPublished(bool is_new) {
  if (is_new) {
    reserved_->KeepAll();
  } else {
    folder_->stored().Add(-committed_bytes_);
  }
}

void LocalArtifactUpload::Discard() {
  const absl::Status removed = folder_->RemovePartial(sha256_);
  if (!removed.ok()) LogError("upload-not-removed", {{"sha256", sha256_}, {"error", removed.ToString()}});
  Release();
}

void LocalArtifactUpload::Release() {
  files_ = {};
  reserved_.reset();
  claim_.reset();
}

}  // namespace kprune
