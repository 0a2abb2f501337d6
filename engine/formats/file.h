// Reading whole files under a size cap, mapping large ones, and writing durably. Errors name the path and
// what the system said.
#ifndef KPRUNE_ENGINE_FORMATS_FILE_H_
#define KPRUNE_ENGINE_FORMATS_FILE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace kprune {

// The whole file. NOT_FOUND where there is none; INVALID_ARGUMENT where it is no regular file or has more
// than `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path, int64_t max_bytes);

// Replaces `path` by the concatenation of `pieces`: temporary file beside it, fsync, rename, fsync of the
// folder. A reader sees the old bytes or the new ones, also after a crash. Thread-safe, also for one path
// (the last writer wins).
absl::Status WriteFileDurably(const std::filesystem::path& path, absl::Span<const std::string_view> pieces);
absl::Status WriteFileDurably(const std::filesystem::path& path, std::string_view contents);

// A file mapped read-only for the life of the object. Thread-safe: immutable. Whoever truncates the file
// meanwhile makes readers fault: inputs of a job are never written again.
class MappedFile {
 public:
  // NOT_FOUND where there is none; INVALID_ARGUMENT where it is no regular file.
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  absl::Span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(absl::Span<const std::byte> bytes) : bytes_(bytes) {}

  const absl::Span<const std::byte> bytes_;  // empty for an empty file, which cannot be mapped
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_FILE_H_
