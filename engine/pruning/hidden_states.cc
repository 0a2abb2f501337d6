#include "engine/pruning/hidden_states.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace kprune {
namespace {

constexpr int64_t kElementBytes = sizeof(float);

// On the device, or on the CPU where that is the device.
class TensorStates : public HiddenStates {
 public:
  TensorStates(int64_t tokens, int64_t width, at::Device device, Place place)
      : HiddenStates(tokens, width, device, place),
        rows_(at::empty({tokens, width}, at::TensorOptions(device).dtype(at::kFloat))) {}

 private:
  bool reads_views() const override { return true; }

  absl::StatusOr<at::Tensor> ReadRows(int64_t begin, int64_t count) override {
    return rows_.narrow(0, begin, count);
  }

  absl::Status WriteRows(int64_t begin, const at::Tensor& rows) override {
    rows_.narrow(0, begin, rows.size(0)).copy_(rows);
    return absl::OkStatus();
  }

  const at::Tensor rows_;  // [tokens, width]
};

// In pinned host memory beside a CUDA device. Torch rounds every pinned block up to a power of two of bytes:
// blocks of this size keep what is lost to that below it. Torch also keeps a pinned block back until the
// copies from and to it have ended, so nothing waits here.
class PinnedStates : public HiddenStates {
 public:
  PinnedStates(int64_t tokens, int64_t width, at::Device device)
      : HiddenStates(tokens, width, device, Place::kHost),
        block_rows_(std::max<int64_t>(1, kBlockBytes / (width * kElementBytes))) {
    for (int64_t begin = 0; begin < tokens; begin += block_rows_) {
      blocks_.push_back(at::empty({std::min(block_rows_, tokens - begin), width},
                                  at::TensorOptions(at::kFloat).pinned_memory(true)));
    }
  }

 private:
  static constexpr int64_t kBlockBytes = int64_t{64} << 20;

  absl::StatusOr<at::Tensor> ReadRows(int64_t begin, int64_t count) override {
    at::Tensor rows = at::empty({count, width()}, at::TensorOptions(device()).dtype(at::kFloat));
    ForEachBlock(begin, count, [&](const at::Tensor& stored, int64_t offset) {
      rows.narrow(0, offset, stored.size(0)).copy_(stored, /*non_blocking=*/true);
    });
    return rows;
  }

  absl::Status WriteRows(int64_t begin, const at::Tensor& rows) override {
    ForEachBlock(begin, rows.size(0), [&](at::Tensor stored, int64_t offset) {
      stored.copy_(rows.narrow(0, offset, stored.size(0)), /*non_blocking=*/true);
    });
    return absl::OkStatus();
  }

  // Calls visit(part of a block, its offset from `begin` in rows) for the rows begin .. begin + count - 1.
  template <typename Visitor>
  void ForEachBlock(int64_t begin, int64_t count, const Visitor& visit) {
    for (int64_t offset = 0; offset < count;) {
      const at::Tensor& block = blocks_[(begin + offset) / block_rows_];
      const int64_t first = (begin + offset) % block_rows_;
      const int64_t rows = std::min(block.size(0) - first, count - offset);
      visit(block.narrow(0, first, rows), offset);
      offset += rows;
    }
  }

  const int64_t block_rows_;
  std::vector<at::Tensor> blocks_;  // [block_rows_, width], the last one shorter
};

absl::Status FileError(int error, const std::string& what) {
  const std::string message = absl::StrCat("cannot ", what, ": ", strerror(error));
  if (error == ENOENT || error == ENOTDIR) return absl::NotFoundError(message);
  if (error == EACCES || error == EPERM || error == EROFS) return absl::PermissionDeniedError(message);
  return absl::InternalError(message);
}

bool IsShortOfSpace(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

absl::Status ShortOfSpace(int64_t bytes, const std::string& directory, const std::string& found) {
  return absl::ResourceExhaustedError(
      absl::StrCat("the hidden states need a file of ", bytes, " bytes in ", directory, ", but ", found,
                   "; free some space there, or prune with fewer samples or a larger memory limit"));
}

// A file without a name, or -1 with errno set.
int OpenUnnamed(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  // What kernels and file systems answer that do not know O_TMPFILE; NFS is one of them.
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOSYS)) return fd;
  std::string name = absl::StrCat(directory, "/hidden-states-XXXXXX");
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

class FileStates : public HiddenStates {
 public:
  FileStates(int64_t tokens, int64_t width, at::Device device, std::string directory)
      : HiddenStates(tokens, width, device, Place::kFile), directory_(std::move(directory)) {}

  ~FileStates() override {
    if (fd_ >= 0) ::close(fd_);
  }

  // Creates the file and reserves its space. Asks for the free space first: a file system that runs full
  // while it reserves would hurt its other users.
  absl::Status Open() {
    const int64_t bytes = ByteOffset(tokens());
    fd_ = OpenUnnamed(directory_);
    if (fd_ < 0) {
      return FileError(errno, absl::StrCat("create a file for hidden states in ", directory_));
    }
    struct statvfs space;
    if (::fstatvfs(fd_, &space) != 0) {
      return FileError(errno, absl::StrCat("ask for the free space of ", directory_));
    }
    const auto free_bytes = static_cast<int64_t>(space.f_bavail * space.f_frsize);
    if (space.f_blocks > 0 && free_bytes < bytes) {  // 0 blocks: the file system does not tell
      return ShortOfSpace(bytes, directory_, absl::StrCat("only ", free_bytes, " bytes are free"));
    }
    if (bytes == 0) return absl::OkStatus();
    int error;
    do {
      error = ::posix_fallocate(fd_, 0, bytes);
    } while (error == EINTR);
    if (IsShortOfSpace(error)) {
      return ShortOfSpace(
          bytes, directory_,
          absl::StrCat("the system refuses that with ", free_bytes, " bytes free (", strerror(error), ")"));
    }
    if (error != 0) return FileError(error, absl::StrCat("reserve ", bytes, " bytes in ", directory_));
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<at::Tensor> ReadRows(int64_t begin, int64_t count) override {
    const bool on_cpu = device().is_cpu();
    const std::lock_guard lock(mutex_);
    const at::Tensor rows = on_cpu ? FreeBuffer(count) : Pinned(count);
    if (absl::Status status = ReadBytes(begin, rows); !status.ok()) return status;
    return on_cpu ? rows : rows.to(device(), /*non_blocking=*/true);
  }

  absl::Status WriteRows(int64_t begin, const at::Tensor& rows) override {
    if (device().is_cpu()) return WriteBytes(begin, rows.contiguous());
    at::Tensor staged = Pinned(rows.size(0));
    staged.copy_(rows);  // waits for the device
    return WriteBytes(begin, staged);
  }

  // Torch's allocator hands pinned memory out again once the copies from it have ended.
  at::Tensor Pinned(int64_t count) const {
    return at::empty({count, width()}, at::TensorOptions(at::kFloat).pinned_memory(true));
  }

  // [count, width] in buffer_, unless a tensor that Read gave out still refers to it: then in a new buffer.
  at::Tensor FreeBuffer(int64_t count) {
    const int64_t elements = count * width();
    if (!buffer_.defined() || buffer_.numel() < elements || buffer_.storage().use_count() > 1) {
      buffer_ = at::Tensor();  // before the next one is there
      buffer_ = at::empty({elements}, at::kFloat);
    }
    return buffer_.narrow(0, 0, elements).view({count, width()});
  }

  int64_t ByteOffset(int64_t row) const { return row * width() * kElementBytes; }

  absl::Status ReadBytes(int64_t begin, const at::Tensor& rows) const {
    auto* bytes = static_cast<char*>(rows.mutable_data_ptr());
    const auto size = static_cast<int64_t>(rows.nbytes());
    for (int64_t done = 0; done < size;) {
      const ssize_t got =
          ::pread(fd_, bytes + done, static_cast<size_t>(size - done), ByteOffset(begin) + done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return FileError(errno, absl::StrCat("read the hidden states in ", directory_));
      if (got == 0) {
        return absl::InternalError(absl::StrCat("the file of hidden states in ", directory_, " ends at byte ",
                                                ByteOffset(begin) + done, " of ", ByteOffset(tokens())));
      }
      done += got;
    }
    return absl::OkStatus();
  }

  absl::Status WriteBytes(int64_t begin, const at::Tensor& rows) const {
    const auto* bytes = static_cast<const char*>(rows.const_data_ptr());
    const auto size = static_cast<int64_t>(rows.nbytes());
    for (int64_t done = 0; done < size;) {
      const ssize_t put =
          ::pwrite(fd_, bytes + done, static_cast<size_t>(size - done), ByteOffset(begin) + done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0 && IsShortOfSpace(errno)) {
        return ShortOfSpace(ByteOffset(tokens()), directory_, strerror(errno));
      }
      if (put < 0) return FileError(errno, absl::StrCat("write the hidden states in ", directory_));
      done += put;
    }
    return absl::OkStatus();
  }

  const std::string directory_;
  int fd_ = -1;
  std::mutex mutex_;
  at::Tensor buffer_;  // of the largest piece so far, where the device is the CPU
};

std::unique_ptr<HiddenStates> MakeInMemory(int64_t tokens, int64_t width, at::Device device, Place place) {
  if (place == Place::kHost && !device.is_cpu()) return std::make_unique<PinnedStates>(tokens, width, device);
  return std::make_unique<TensorStates>(tokens, width, device, place);
}

}  // namespace

std::string_view place_name(Place place) {
  switch (place) {
    case Place::kDevice:
      return "device";
    case Place::kHost:
      return "host";
    case Place::kFile:
      return "file";
  }
  std::abort();  // not a Place
}

absl::StatusOr<std::unique_ptr<HiddenStates>> HiddenStates::Create(int64_t tokens, int64_t width,
                                                                   at::Device device, Place place,
                                                                   const std::string& directory) {
  int64_t bytes = kElementBytes;
  if (tokens < 0 || width < 1 || __builtin_mul_overflow(bytes, width, &bytes) ||
      __builtin_mul_overflow(bytes, std::max<int64_t>(tokens, 1), &bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("hidden states cannot have ", tokens, " tokens of width ", width,
                     "; accepted are 0 tokens or more, 1 wide or more, of less than 2^63 bytes in all"));
  }
  if (place == Place::kFile) {
    auto file = std::make_unique<FileStates>(tokens, width, device, directory);
    if (absl::Status status = file->Open(); !status.ok()) return status;
    return file;
  }
  try {
    return MakeInMemory(tokens, width, device, place);
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot have ", bytes, " bytes for hidden states in the memory of the ",
                     std::string(place_name(place)), " (", text.substr(0, text.find('\n')),
                     "); prune with fewer samples or a smaller memory limit, with which they go to a file"));
  }
}

absl::StatusOr<at::Tensor> HiddenStates::Read(int64_t begin, int64_t end) {
  if (begin < 0 || begin > end || end > tokens_) {
    return absl::OutOfRangeError(
        absl::StrCat("rows ", begin, " to ", end, " of the hidden states of ", tokens_, " tokens"));
  }
  const c10::NoGradGuard no_grad;
  return ReadRows(begin, end - begin);
}

absl::StatusOr<at::Tensor> HiddenStates::Update(int64_t begin, int64_t end,
                                                const std::function<void(at::Tensor& rows)>& change) {
  absl::StatusOr<at::Tensor> rows = Read(begin, end);
  if (!rows.ok()) return rows.status();
  const c10::NoGradGuard no_grad;
  change(*rows);
  if (!reads_views()) {
    if (absl::Status status = WriteRows(begin, *rows); !status.ok()) return status;
  }
  return rows;
}

absl::Status HiddenStates::Write(int64_t begin, const at::Tensor& rows) {
  if (!rows.defined() || rows.scalar_type() != at::kFloat || rows.dim() != 2 || rows.size(1) != width_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "hidden states are float32 [tokens, ", width_, "], but ",
        rows.defined()
            ? absl::StrCat(at::toString(rows.scalar_type()), " [", absl::StrJoin(rows.sizes(), ", "), "]")
            : "an undefined tensor",
        " was to be written"));
  }
  if (begin < 0 || begin > tokens_ - rows.size(0)) {
    return absl::OutOfRangeError(absl::StrCat(rows.size(0), " rows from ", begin,
                                              " on do not fit the hidden states of ", tokens_, " tokens"));
  }
  const c10::NoGradGuard no_grad;
  return WriteRows(begin, rows.detach());
}

}  // namespace kprune
