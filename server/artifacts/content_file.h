// The content of one artifact in a file of a disk: as it is, or sealed (encrypted; sealed_file.h).
#ifndef KPRUNE_SERVER_ARTIFACTS_CONTENT_FILE_H_
#define KPRUNE_SERVER_ARTIFACTS_CONTENT_FILE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/artifact_store.h"
#include "server/artifacts/posix_file.h"

namespace kprune {

// Movable-only by pointer; used by one thread at a time. Sizes and offsets are those of the content.
class ContentFile {
 public:
  virtual ~ContentFile() = default;

  // Of what is in the file; what Append holds back does not count.
  virtual absl::StatusOr<int64_t> size_bytes() const = 0;

  // Fills `*bytes` from `offset` with at most `max_bytes`; shorter only at the end. DataLoss: the file is not
  // what was written.
  virtual absl::Status ReadAt(int64_t offset, int64_t max_bytes, std::string* bytes) const = 0;

  // Drops what follows the first `size_bytes`, which must be in the file, and what is held back; Append goes
  // on there.
  virtual absl::Status TruncateTo(int64_t size_bytes) = 0;

  // Adds bytes at the end; those in held_back() are not in the file yet. ResourceExhausted when the disk is
  // full; after an error none of them counts as appended.
  virtual absl::Status Append(std::string_view bytes) = 0;

  // The last bytes that were appended and are not in the file.
  virtual std::string_view held_back() const { return {}; }

  // TruncateTo takes multiples of it.
  virtual int64_t chunk_bytes() const { return 1; }

  // Whether the file is the content, byte for byte.
  virtual bool is_plain() const = 0;

  // Puts into the file what was held back. Nothing may be appended after it.
  virtual absl::Status Complete() { return absl::OkStatus(); }

  // Lets the disk begin with that part, as PosixFile::StartWriteback.
  virtual void StartWriteback(int64_t offset, int64_t count) = 0;

  virtual PosixFile& file() = 0;
  const std::filesystem::path& path() { return file().path(); }
};

// A file that holds the content and nothing else.
class PlainFile final : public ContentFile {
 public:
  // Append goes on at the end of the file as it is when TruncateTo was not called: that of an empty one.
  explicit PlainFile(PosixFile file) : file_(std::move(file)) {}

  absl::StatusOr<int64_t> size_bytes() const override { return file_.size_bytes(); }
  absl::Status ReadAt(int64_t offset, int64_t max_bytes, std::string* bytes) const override {
    return file_.ReadAt(offset, max_bytes, bytes);
  }
  absl::Status TruncateTo(int64_t size_bytes) override;
  absl::Status Append(std::string_view bytes) override;
  void StartWriteback(int64_t offset, int64_t count) override { file_.StartWriteback(offset, count); }
  bool is_plain() const override { return true; }
  PosixFile& file() override { return file_; }

 private:
  PosixFile file_;
  int64_t end_ = 0;  // where Append goes on
};

// Appends all of `from` to the empty `to` and completes it; returns what it is.
absl::StatusOr<Artifact> CopyContent(const ContentFile& from, ContentFile& to);

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_CONTENT_FILE_H_
