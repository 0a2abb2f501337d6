#include "client/work_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kprune/worker_protocol.h"

namespace kprune::client {
namespace {

namespace fs = std::filesystem;

// A worker that nobody reads any more has gone by then.
constexpr int kLockTries = 100;
constexpr absl::Duration kLockPause = absl::Milliseconds(100);

// Above the descriptors that a worker is started with.
constexpr int kFirstLockDescriptor = 10;

absl::Status Refuse(const fs::path& folder, const std::string& why) {
  return absl::FailedPreconditionError(absl::StrCat("--work-dir ", folder.string(), " ", why));
}

absl::Status CannotUse(const fs::path& folder, const std::error_code& error) {
  return absl::PermissionDeniedError(absl::StrCat("cannot use --work-dir ", folder.string(), " (",
                                                  error.message(), "); name a place that can be written"));
}

// Locks the folder. The descriptor is inherited on purpose: the lock lasts until the worker has gone, too.
absl::StatusOr<int> Lock(const fs::path& folder, Interrupt& interrupt) {
  const int opened = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return CannotUse(folder, std::error_code(errno, std::generic_category()));
  const int lock = fcntl(opened, F_DUPFD, kFirstLockDescriptor);
  close(opened);
  for (int tries = 0; flock(lock, LOCK_EX | LOCK_NB) != 0; ++tries) {
    const absl::Status interrupted = interrupt.SleepFor(kLockPause);
    if (interrupted.ok() && tries < kLockTries) continue;
    close(lock);
    if (!interrupted.ok()) return interrupted;
    return Refuse(folder, "is in use by another kprune run; wait for it, or name another folder");
  }
  return lock;
}

// Removes the entries of a folder, but the one called `kept`.
void Clear(const fs::path& folder, const std::string& kept) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->path().filename() != kept) fs::remove_all(it->path(), ignored);
  }
}

}  // namespace

absl::StatusOr<WorkDirectory> WorkDirectory::Open(const std::string& name, const LocalJobSpec& spec,
                                                  Interrupt& interrupt) {
  fs::path path = fs::absolute(name).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_directory(path, error))
    return Refuse(path, "is a file; name a folder");
  fs::create_directories(path, error);
  if (error) return CannotUse(path, error);
  const absl::StatusOr<int> lock = Lock(path, interrupt);
  if (!lock.ok()) return lock.status();
  WorkDirectory directory(std::move(path), *lock);
  if (absl::Status prepared = directory.Prepare(spec); !prepared.ok()) return prepared;
  return directory;
}

absl::Status WorkDirectory::Prepare(const LocalJobSpec& spec) const {
  std::error_code error;
  const fs::path job_file = path_ / kJobFile;
  if (!fs::exists(job_file, error)) {
    if (fs::is_empty(path_, error)) return absl::OkStatus();
    return Refuse(path_, "holds other files and no job; name a new or empty folder");
  }
  std::ostringstream job;
  job << std::ifstream(job_file, std::ios::binary).rdbuf();
  if (HasWork() && job.str() != JobJson(spec)) {
    return Refuse(
        path_,
        "holds unfinished work of a job with another model, data or options; repeat that command, or name "
        "another folder");
  }
  Clear(path_ / kScratchDirectory, kCheckpointDirectory);
  fs::remove(path_ / kErrorFile, error);
  return absl::OkStatus();
}

WorkDirectory::~WorkDirectory() {
  if (lock_ >= 0) close(lock_);
}

fs::path WorkDirectory::result() const { return path_ / kResultDirectory; }

bool WorkDirectory::HasResult() const {
  std::error_code error;
  return fs::is_directory(result(), error);
}

bool WorkDirectory::HasWork() const {
  std::error_code error;
  return HasResult() || fs::is_directory(path_ / kScratchDirectory / kCheckpointDirectory, error);
}

void WorkDirectory::Remove() const {
  std::error_code ignored;
  for (const char* name : {kScratchDirectory, kResultDirectory, kErrorFile, kJobFile}) {
    fs::remove_all(path_ / name, ignored);
  }
  fs::remove(path_, ignored);
}

}  // namespace kprune::client
