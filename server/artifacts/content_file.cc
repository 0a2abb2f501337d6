#include "server/artifacts/content_file.h"

#include <algorithm>

#include "server/artifacts/sha256.h"

namespace kprune {
namespace {

constexpr int64_t kCopyBytes = 1 << 20;

// Of one write. Linux caches a larger one in as large a piece of memory, and a virtual machine that gives
// free memory back to its host has to fault that in again: a third of the rate.
constexpr size_t kWriteBytes = 128 << 10;

}  // namespace

absl::Status PlainFile::TruncateTo(int64_t size_bytes) {
  const absl::Status truncated = file_.Truncate(size_bytes);
  if (truncated.ok()) end_ = size_bytes;
  return truncated;
}

absl::Status PlainFile::Append(std::string_view bytes) {
  int64_t end = end_;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), kWriteBytes))) {
    const std::string_view piece = bytes.substr(0, kWriteBytes);
    if (absl::Status written = file_.WriteAt(end, piece); !written.ok()) return written;
    end += static_cast<int64_t>(piece.size());
  }
  end_ = end;
  return absl::OkStatus();
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
