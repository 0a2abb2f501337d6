#include "server/artifacts/content_file.h"

#include "server/artifacts/sha256.h"

namespace kprune {
namespace {

constexpr int64_t kCopyBytes = 1 << 20;

}  // namespace

absl::Status PlainFile::TruncateTo(int64_t size_bytes) {
  const absl::Status truncated = file_.Truncate(size_bytes);
  if (truncated.ok()) end_ = size_bytes;
  return truncated;
}

absl::Status PlainFile::Append(std::string_view bytes) {
  const absl::Status written = file_.WriteAt(end_, bytes);
  if (written.ok()) end_ += static_cast<int64_t>(bytes.size());
  return written;
}

absl::StatusOr<Artifact> CopyContent(const ContentFile& from, ContentFile& to) {
  Sha256 hash;
  int64_t size = 0;
  std::string bytes;
  do {
    absl::Status status = from.ReadAt(size, kCopyBytes, &bytes);
    if (status.ok()) status = to.Append(bytes);
    if (!status.ok()) return status;
    hash.Update(bytes);
    size += static_cast<int64_t>(bytes.size());
  } while (!bytes.empty());
  if (absl::Status completed = to.Complete(); !completed.ok()) return completed;
  return Artifact{hash.HexDigest(), size};
}

}  // namespace kprune
