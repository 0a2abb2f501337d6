#include "client/part_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace kprune::client {
namespace {

// The disk is given so much at a time while more arrives: Sync then has little left to wait for.
constexpr int64_t kWritebackBytes = 8 << 20;

// Of one write. Linux caches a larger one in as large a piece of memory, and a virtual machine that gives
// free memory back to its host has to fault that in again: a third of the rate.
constexpr size_t kWriteBytes = 128 << 10;

}  // namespace

PartFile::~PartFile() {
  if (fd_ >= 0) close(fd_);
}

absl::Status PartFile::Open(int64_t most_bytes) {
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  struct stat info;
  if (fd_ < 0 || fstat(fd_, &info) != 0) return Error("write");
  if (info.st_size > most_bytes && ftruncate(fd_, 0) != 0) return Error("write");
  const absl::StatusOr<int64_t> there = hash_.UpdateFromFile(fd_, path_);
  if (!there.ok()) return there.status();
  size_bytes_ = given_to_disk_ = *there;
  return absl::OkStatus();
}

absl::Status PartFile::Append(std::string_view bytes) {
  hash_.Update(bytes);
  while (!bytes.empty()) {
    const ssize_t count = write(fd_, bytes.data(), std::min(bytes.size(), kWriteBytes));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error("write");
    bytes.remove_prefix(static_cast<size_t>(count));
    size_bytes_ += count;
  }
  if (size_bytes_ - given_to_disk_ < kWritebackBytes) return absl::OkStatus();
  // What fails of it shows in Sync.
  sync_file_range(fd_, given_to_disk_, size_bytes_ - given_to_disk_, SYNC_FILE_RANGE_WRITE);
  given_to_disk_ = size_bytes_;
  return absl::OkStatus();
}

absl::Status PartFile::Sync() { return fsync(fd_) == 0 ? absl::OkStatus() : Error("write"); }

absl::Status PartFile::Error(const char* action) const {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", action, " ", path_.string()));
}

}  // namespace kprune::client
