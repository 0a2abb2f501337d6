#include "client/result_fetcher.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/time/clock.h"
#include "client/backoff.h"
#include "client/downloader.h"
#include "client/event_text.h"
#include "client/file_digest.h"
#include "client/transfer_display.h"

namespace kprune::client {
namespace {

namespace fs = std::filesystem;

// Named after what the result holds: pieces of another result are never taken for this one's.
fs::path PartialFolder(const kprune::v1::Job& job, const OutputFolder& output) {
  Sha256 hash;
  for (const auto& file : job.result()) hash.Update(absl::StrCat(file.name(), " ", file.sha256(), "\n"));
  return output.path.parent_path() /
         absl::StrCat(".", output.path.filename().string(), ".partial-", hash.Finish().substr(0, 16));
}

// An exclusive lock on a folder while the object lives.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : fd_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    locked_ = fd_ >= 0 && flock(fd_, LOCK_EX | LOCK_NB) == 0;
  }
  ~FolderLock() {
    if (fd_ >= 0) close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  bool locked() const { return locked_; }

 private:
  const int fd_;
  bool locked_;
};

}  // namespace

absl::Status FetchResult(const Connection& connection, const kprune::v1::Job& job, const OutputFolder& output,
                         ProgressMode mode, Session& session) {
  if (job.result().empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        job.name(), " is ", StateName(job.state()),
        "; only a job that succeeded, or was cancelled with --keep-partial, has a result to fetch"));
  }
  if (absl::Status allowed = CheckOutput(output, {}); !allowed.ok()) return allowed;
  const fs::path partial = PartialFolder(job, output);
  std::error_code error;
  fs::create_directories(partial, error);
  if (error) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot create ", partial.string(), ": ", error.message()));
  }
  const FolderLock lock(partial);
  if (!lock.locked()) {
    return absl::FailedPreconditionError(
        absl::StrCat("another kprune is fetching this result into ", output.path.string(), "; wait for it"));
  }
  TransferDisplay display("download", mode, session.screen, session.err, absl::Now);
  Downloader downloader(connection, display, BackoffOptions(), job.tenant());
  const std::vector<kprune::v1::File> files(job.result().begin(), job.result().end());
  const absl::Status downloaded = downloader.DownloadAll(files, partial);
  if (!downloaded.ok()) {
    fs::remove(partial, error);  // only where nothing came
    return downloaded;
  }
  return Publish(partial, output);
}

}  // namespace kprune::client
