#include "client/downloader.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/file_digest.h"
#include "kprune/layout.h"

namespace kprune::client {
namespace {

namespace fs = std::filesystem;
namespace v1 = kprune::v1;

// A file that is written at its end. Closed when destroyed.
class AppendedFile {
 public:
  explicit AppendedFile(const fs::path& path)
      : path_(path), fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {}
  ~AppendedFile() {
    if (fd_ >= 0) close(fd_);
  }
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;

  absl::Status Append(const std::string& bytes) {
    for (size_t written = 0; written < bytes.size();) {
      const ssize_t count = write(fd_, bytes.data() + written, bytes.size() - written);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Error();
      written += static_cast<size_t>(count);
    }
    return absl::OkStatus();
  }

  absl::Status Sync() { return fd_ >= 0 && fsync(fd_) == 0 ? absl::OkStatus() : Error(); }
  absl::Status status() const { return fd_ >= 0 ? absl::OkStatus() : Error(); }

 private:
  absl::Status Error() const {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path_.string()));
  }

  const fs::path path_;
  const int fd_;
};

int64_t SizeOrZero(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(size);
}

bool HasDigest(const fs::path& path, const v1::File& file) {
  if (SizeOrZero(path) != file.size()) return false;
  const absl::StatusOr<std::string> digest = Sha256OfFile(path);
  return digest.ok() && *digest == file.sha256();
}

}  // namespace

absl::Status Downloader::DownloadAll(const std::vector<v1::File>& files, const fs::path& folder) {
  for (const v1::File& file : files) {
    if (!IsAllowedName(FileRole::kResult, file.name())) {
      return absl::InvalidArgumentError(absl::StrCat("the server names a result file \"", file.name(),
                                                     "\", which no result has; nothing was written"));
    }
    if (absl::Status status = DownloadOne(file, folder / file.name()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Downloader::DownloadOne(const v1::File& file, const fs::path& target) {
  if (HasDigest(target, file)) return absl::OkStatus();
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  const fs::path part = target.string() + ".part";
  Backoff backoff(backoff_);
  for (;;) {
    const int64_t before = SizeOrZero(part);
    const absl::Status status = TryDownload(file, part);
    if (status.ok()) break;
    if (SizeOrZero(part) > before) backoff.Reset();
    display_.Close();
    if (!IsTransient(status) || backoff.exhausted()) return status;
    if (absl::Status slept = connection_.interrupt().SleepFor(backoff.Next()); !slept.ok()) return slept;
  }
  if (!HasDigest(part, file)) {
    fs::remove(part, error);
    return absl::DataLossError(absl::StrCat(file.name(), " arrived with another SHA-256 than ", file.sha256(),
                                            "; it was removed, fetch again"));
  }
  fs::rename(part, target, error);
  if (error)
    return absl::InternalError(absl::StrCat("cannot write ", target.string(), ": ", error.message()));
  display_.End();
  return absl::OkStatus();
}

absl::Status Downloader::TryDownload(const v1::File& file, const fs::path& part) {
  int64_t offset = SizeOrZero(part);
  if (offset > file.size()) {
    fs::remove(part);
    offset = 0;
  }
  display_.Begin(file.name(), offset, file.size());
  AppendedFile output(part);
  if (absl::Status opened = output.status(); !opened.ok()) return opened;
  if (offset == file.size()) return output.Sync();
  CallContext context(connection_, CallContext::Kind::kStream);
  v1::DownloadRequest request;
  request.set_sha256(file.sha256());
  request.set_offset(offset);
  const auto reader = connection_.artifacts().Download(context.get(), request);
  v1::DownloadResponse response;
  while (reader->Read(&response)) {
    if (absl::Status written = output.Append(response.chunk()); !written.ok()) {
      context.get()->TryCancel();
      (void)reader->Finish();
      return written;
    }
    offset += static_cast<int64_t>(response.chunk().size());
    display_.Advance(offset);
  }
  if (absl::Status status = connection_.Explain(reader->Finish()); !status.ok()) return status;
  return output.Sync();
}

}  // namespace kprune::client
