#include "server/auth/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

// A new file with these bytes, and this many seconds as its time of modification.
absl::StatusOr<int> NewFile(std::string_view bytes, int seconds) {
  const int descriptor = ::memfd_create("kprune", MFD_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, "cannot make a file in memory");
  const struct timespec times[2] = {{seconds, 0}, {seconds, 0}};
  if (::write(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
      ::futimens(descriptor, times) == 0)
    return descriptor;
  const absl::Status status = absl::ErrnoToStatus(errno, "cannot write a file in memory");
  ::close(descriptor);
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MemoryFile>> MemoryFile::Make(std::string_view bytes) {
  const absl::StatusOr<int> descriptor = NewFile(bytes, 1);
  if (!descriptor.ok()) return descriptor.status();
  return std::unique_ptr<MemoryFile>(new MemoryFile(*descriptor));
}

MemoryFile::~MemoryFile() { ::close(descriptor_); }

absl::Status MemoryFile::Replace(std::string_view bytes) {
  const absl::StatusOr<int> next = NewFile(bytes, ++versions_);
  if (!next.ok()) return next.status();
  const bool replaced = ::dup3(*next, descriptor_, O_CLOEXEC) == descriptor_;
  const absl::Status status =
      replaced ? absl::OkStatus() : absl::ErrnoToStatus(errno, "cannot replace a file in memory");
  ::close(*next);
  return status;
}

std::string MemoryFile::path() const { return absl::StrCat("/proc/", ::getpid(), "/fd/", descriptor_); }

}  // namespace kprune
