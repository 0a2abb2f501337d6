#include "server/artifacts/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

// Of one write. Linux caches a larger one in as large a piece of memory, and a virtual machine that gives
// free memory back to its host has to fault that in again: a third of the rate.
constexpr size_t kWriteBytes = 128 << 10;

}  // namespace

absl::Status ErrnoStatus(std::string_view action, const std::filesystem::path& path) {
  const int error = errno;
  const std::string message = absl::StrCat("cannot ", std::string(action), " ", path.string());
  // The disk is not full: as soon as others have closed theirs, it works.
  if (error == EMFILE || error == ENFILE)
    return absl::UnavailableError(absl::StrCat(message, ": too many files are open; try again"));
  return absl::ErrnoToStatus(error, message);
}

absl::StatusOr<PosixFile> PosixFile::Open(Disk& disk, const std::filesystem::path& path, int flags) {
  const int descriptor = disk.Open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (descriptor < 0) return ErrnoStatus("open", path);
  return PosixFile(disk, descriptor, path);
}

PosixFile::PosixFile(Disk& disk, int descriptor, std::filesystem::path path)
    : disk_(&disk), descriptor_(descriptor), path_(std::move(path)) {}

PosixFile::PosixFile(PosixFile&& other) noexcept
    : disk_(other.disk_), descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

PosixFile& PosixFile::operator=(PosixFile&& other) noexcept {
  std::swap(disk_, other.disk_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

PosixFile::~PosixFile() {
  if (descriptor_ >= 0) disk_->Close(descriptor_);
}

absl::StatusOr<int64_t> PosixFile::size_bytes() const {
  struct stat info;
  if (::fstat(descriptor_, &info) != 0) return ErrnoStatus("examine", path_);
  return static_cast<int64_t>(info.st_size);
}

absl::Status PosixFile::ReadAt(int64_t offset, int64_t max_bytes, std::string* bytes) const {
  bytes->resize(static_cast<size_t>(max_bytes));
  int64_t filled = 0;
  while (filled < max_bytes) {
    const ssize_t got =
        disk_->Pread(descriptor_, bytes->data() + filled, static_cast<size_t>(max_bytes - filled),
                     static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("read", path_);
    if (got == 0) break;
    filled += got;
  }
  bytes->resize(static_cast<size_t>(filled));
  return absl::OkStatus();
}

absl::Status PosixFile::WriteAt(int64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t most = std::min(bytes.size(), kWriteBytes);
    const ssize_t put = disk_->Pwrite(descriptor_, bytes.data(), most, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus("write", path_);
    offset += put;
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return absl::OkStatus();
}

absl::Status PosixFile::Truncate(int64_t size_bytes) {
  if (disk_->Ftruncate(descriptor_, static_cast<off_t>(size_bytes)) != 0)
    return ErrnoStatus("truncate", path_);
  return absl::OkStatus();
}

absl::Status PosixFile::MakeReadOnly() {
  if (disk_->Fchmod(descriptor_, 0444) != 0) return ErrnoStatus("protect", path_);
  return absl::OkStatus();
}

absl::Status PosixFile::Sync() {
  if (disk_->Fsync(descriptor_) != 0) return ErrnoStatus("fsync", path_);
  return absl::OkStatus();
}

void PosixFile::StartWriteback(int64_t offset, int64_t count) {
  disk_->StartWriteback(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(count));
}

absl::Status SyncFolder(Disk& disk, const std::filesystem::path& folder) {
  absl::StatusOr<PosixFile> opened = PosixFile::Open(disk, folder, O_RDONLY | O_DIRECTORY);
  if (!opened.ok()) return opened.status();
  return opened->Sync();
}

absl::Status Rename(Disk& disk, const std::filesystem::path& from, const std::filesystem::path& to) {
  if (disk.Rename(from.c_str(), to.c_str()) != 0) return ErrnoStatus("rename to its place", from);
  return absl::OkStatus();
}

absl::Status RemoveFile(Disk& disk, const std::filesystem::path& path) {
  if (disk.Unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus("remove", path);
  return absl::OkStatus();
}

}  // namespace kprune
