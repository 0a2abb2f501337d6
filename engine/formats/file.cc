#include "engine/formats/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::Status SystemError(int error, std::string_view doing, const std::filesystem::path& path) {
  const std::string message =
      absl::StrCat("cannot ", std::string(doing), " ", path.string(), ": ", strerror(error));
  if (error == ENOENT || error == ENOTDIR) return absl::NotFoundError(message);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(message);
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(message);
  return absl::InternalError(message);
}

struct OpenedFile {
  Descriptor descriptor;
  int64_t size_bytes;
};

// O_NONBLOCK: a FIFO must not hang the reader; it is refused right after.
absl::StatusOr<OpenedFile> OpenRegularFile(const std::filesystem::path& path) {
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) return SystemError(errno, "open", path);
  struct stat info;
  if (::fstat(descriptor.get(), &info) != 0) return SystemError(errno, "inspect", path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), " is not a regular file"));
  }
  return OpenedFile{std::move(descriptor), info.st_size};
}

absl::Status WriteAll(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(errno, "write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status WriteNewFile(const std::filesystem::path& path, absl::Span<const std::string_view> pieces) {
  Descriptor descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (descriptor.get() < 0) return SystemError(errno, "create", path);
  for (std::string_view piece : pieces) {
    if (absl::Status status = WriteAll(descriptor.get(), piece, path); !status.ok()) return status;
  }
  if (::fsync(descriptor.get()) != 0) return SystemError(errno, "fsync", path);
  return absl::OkStatus();
}

absl::Status SyncFolder(const std::filesystem::path& folder) {
  Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0) return SystemError(errno, "open", folder);
  if (::fsync(descriptor.get()) != 0) return SystemError(errno, "fsync", folder);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path, int64_t max_bytes) {
  absl::StatusOr<OpenedFile> file = OpenRegularFile(path);
  if (!file.ok()) return file.status();
  if (file->size_bytes > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), " has ", file->size_bytes,
                                                   " bytes, at most ", max_bytes, " are accepted"));
  }
  std::string contents(static_cast<size_t>(file->size_bytes), '\0');
  size_t read_bytes = 0;
  while (read_bytes < contents.size()) {
    const ssize_t got =
        ::read(file->descriptor.get(), contents.data() + read_bytes, contents.size() - read_bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(errno, "read", path);
    if (got == 0) break;  // truncated meanwhile
    read_bytes += static_cast<size_t>(got);
  }
  contents.resize(read_bytes);
  return contents;
}

absl::Status WriteFileDurably(const std::filesystem::path& path, absl::Span<const std::string_view> pieces) {
  static std::atomic<uint64_t> counter = 0;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::filesystem::path temporary = path;
  temporary += absl::StrCat(".", ::getpid(), "-", counter.fetch_add(1), ".tmp");
  absl::Status status = WriteNewFile(temporary, pieces);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = SystemError(errno, "rename a temporary file to", path);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncFolder(folder);
}

absl::Status WriteFileDurably(const std::filesystem::path& path, std::string_view contents) {
  return WriteFileDurably(path, absl::MakeConstSpan(&contents, 1));
}

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(const std::filesystem::path& path) {
  absl::StatusOr<OpenedFile> file = OpenRegularFile(path);
  if (!file.ok()) return file.status();
  if (file->size_bytes == 0) return std::unique_ptr<MappedFile>(new MappedFile({}));
  const size_t size = static_cast<size_t>(file->size_bytes);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file->descriptor.get(), 0);
  if (address == MAP_FAILED) return SystemError(errno, "map", path);
  return std::unique_ptr<MappedFile>(
      new MappedFile(absl::MakeConstSpan(static_cast<const std::byte*>(address), size)));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace kprune
