#include "client/output_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "kprune/worker_protocol.h"

namespace kprune::client {
namespace {

namespace fs = std::filesystem;

bool IsMountPoint(const fs::path& folder) {
  struct stat own {};
  struct stat parent {};
  return stat(folder.c_str(), &own) == 0 && stat(folder.parent_path().c_str(), &parent) == 0 &&
         own.st_dev != parent.st_dev;
}

// Names survive a power cut once their folder is on disk.
void SyncFolder(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

absl::Status Explain(const fs::path& output, const std::error_code& error) {
  return absl::InternalError(
      absl::StrCat("cannot publish the result as ", output.string(), ": ", error.message()));
}

// A free name beside the output.
fs::path Beside(const fs::path& output, const char* what) {
  return output.parent_path() / absl::StrCat(".", output.filename().string(), ".", what, "-", getpid());
}

}  // namespace

OutputFolder::OutputFolder(const std::string& name, bool may_overwrite)
    : path(fs::absolute(name).lexically_normal()), overwrite(may_overwrite) {
  if (!path.has_filename()) path = path.parent_path();
}

bool Holds(const OutputFolder& output, const fs::path& file) {
  std::error_code error;
  const fs::path outer = fs::weakly_canonical(output.path, error);
  const fs::path inner = fs::weakly_canonical(fs::absolute(file), error);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

absl::Status CheckOutput(const OutputFolder& output, const std::vector<std::string>& inputs) {
  const std::string name = output.path.string();
  for (const std::string& input : inputs) {
    if (Holds(output, input)) {
      return absl::FailedPreconditionError(
          absl::StrCat("--output ", name, " holds the input ", input, "; name another folder"));
    }
  }
  std::error_code error;
  if (!fs::exists(output.path, error)) return absl::OkStatus();
  if (!fs::is_directory(output.path, error)) {
    return absl::FailedPreconditionError(absl::StrCat("--output ", name, " is a file; name a folder"));
  }
  if (IsMountPoint(output.path)) {
    return absl::FailedPreconditionError(
        absl::StrCat("--output ", name, " is a mount point; name a folder inside it"));
  }
  if (fs::is_empty(output.path, error)) return absl::OkStatus();
  if (!output.overwrite) {
    return absl::FailedPreconditionError(
        absl::StrCat("--output ", name, " exists and is not empty; name another folder or add --overwrite"));
  }
  if (!fs::exists(output.path / kReportFile, error)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--output ", name,
        " is not the result of an earlier job (it has no report.json); --overwrite replaces only those"));
  }
  return absl::OkStatus();
}

absl::Status Publish(const fs::path& from, const OutputFolder& output) {
  if (absl::Status allowed = CheckOutput(output, {}); !allowed.ok()) return allowed;
  std::error_code error;
  fs::create_directories(output.path.parent_path(), error);
  const fs::path replaced = Beside(output.path, "replaced");
  const bool replace = fs::exists(output.path) && !fs::is_empty(output.path);
  if (replace) fs::rename(output.path, replaced, error);
  if (error) return Explain(output.path, error);
  fs::rename(from, output.path, error);
  if (error == std::errc::cross_device_link) {
    const fs::path copied = Beside(output.path, "copied");
    error.clear();
    fs::copy(from, copied, fs::copy_options::recursive, error);
    if (!error) fs::rename(copied, output.path, error);
    std::error_code ignored;
    fs::remove_all(error ? copied : from, ignored);
  }
  if (error) {
    std::error_code ignored;
    if (replace) fs::rename(replaced, output.path, ignored);
    return Explain(output.path, error);
  }
  SyncFolder(output.path.parent_path());
  fs::remove_all(replaced, error);
  return absl::OkStatus();
}

}  // namespace kprune::client
