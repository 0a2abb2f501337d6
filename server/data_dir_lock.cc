#include "server/data_dir_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace fs = std::filesystem;

absl::StatusOr<std::unique_ptr<DataDirLock>> DataDirLock::Acquire(const fs::path& folder,
                                                                  std::string_view flag) {
  std::error_code error;
  if (fs::create_directories(folder, error)) fs::permissions(folder, fs::perms::owner_all, error);
  if (error) {
    return absl::FailedPreconditionError(absl::StrCat("cannot make the folder ", folder.string(), " (",
                                                      error.message(), "); choose another with ",
                                                      std::string(flag)));
  }
  const fs::path file = folder / "lock";
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", file.string()));
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0)
    return std::unique_ptr<DataDirLock>(new DataDirLock(descriptor));
  ::close(descriptor);
  return absl::FailedPreconditionError(absl::StrCat("another kprune-server uses the folder ", folder.string(),
                                                    "; stop it or choose another with ", std::string(flag)));
}

DataDirLock::~DataDirLock() { ::close(descriptor_); }

}  // namespace kprune
