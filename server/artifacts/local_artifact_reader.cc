#include "server/artifacts/local_artifact_reader.h"

#include <algorithm>
#include <utility>

#include "server/artifacts/upload_rules.h"

namespace kprune {

absl::StatusOr<std::unique_ptr<ArtifactReader>> LocalArtifactReader::Open(const ArtifactFolder* folder,
                                                                          std::string sha256,
                                                                          int64_t offset) {
  absl::StatusOr<std::unique_ptr<ContentFile>> file = folder->OpenObject(sha256);
  if (!file.ok()) return file.status();
  const absl::StatusOr<int64_t> size = (*file)->size_bytes();
  if (!size.ok()) return size.status();
  const absl::Status checked = CheckReadOffset(sha256, offset, *size);
  if (!checked.ok()) return checked;
  return std::unique_ptr<ArtifactReader>(
      new LocalArtifactReader(folder, std::move(sha256), *std::move(file), *size, offset));
}

LocalArtifactReader::LocalArtifactReader(const ArtifactFolder* folder, std::string sha256,
                                         std::unique_ptr<ContentFile> file, int64_t size_bytes,
                                         int64_t offset)
    : folder_(folder),
      sha256_(std::move(sha256)),
      file_(std::move(file)),
      size_bytes_(size_bytes),
      from_start_(offset == 0),
      position_(offset) {}

absl::Status LocalArtifactReader::Read(int64_t max_bytes, std::string* bytes) {
  bytes->clear();
  const int64_t wanted = std::min(max_bytes, size_bytes_ - position_);
  if (wanted == 0) return from_start_ && size_bytes_ == 0 ? Verify() : absl::OkStatus();
  const absl::Status read = file_->ReadAt(position_, wanted, bytes);
  if (absl::IsDataLoss(read)) return folder_->SetAside(sha256_, "");
  if (!read.ok()) return read;
  if (static_cast<int64_t>(bytes->size()) < wanted) {
    return absl::DataLossError("the stored artifact " + sha256_ + " became shorter while it was read");
  }
  position_ += wanted;
  if (!from_start_) return absl::OkStatus();
  hash_.Update(*bytes);
  return position_ == size_bytes_ ? Verify() : absl::OkStatus();
}

absl::Status LocalArtifactReader::Verify() const {
  const std::string actual = hash_.HexDigest();
  return actual == sha256_ ? absl::OkStatus() : folder_->SetAside(sha256_, actual);
}

}  // namespace kprune
