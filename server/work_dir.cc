#include "server/work_dir.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace fs = std::filesystem;
namespace {

bool LiesIn(const fs::path& inner, const fs::path& outer) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

// Without links, dots and a slash at the end.
fs::path Resolved(const fs::path& folder) {
  std::error_code unknown;
  const fs::path resolved = fs::weakly_canonical(fs::absolute(folder, unknown) / ".", unknown);
  return resolved.has_filename() ? resolved : resolved.parent_path();
}

}  // namespace

absl::Status CheckApart(const fs::path& work_dir, const fs::path& data_dir) {
  const fs::path work = Resolved(work_dir), data = Resolved(data_dir);
  if (!LiesIn(work, data) && !LiesIn(data, work)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("--work-dir ", work_dir.string(), " and --data-dir ",
                                                    data_dir.string(),
                                                    " lie in each other; give folders beside each other"));
}

absl::Status MakePrivate(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::FailedPreconditionError(absl::StrCat("cannot make ", folder.string(), " (",
                                                      std::strerror(errno), "); choose another --work-dir"));
  }
  struct stat info;
  const bool ours =
      ::lstat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid();
  if (ours && ::chmod(folder.c_str(), 0700) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(folder.string(), " belongs to somebody else; remove it or choose another --work-dir"));
}

}  // namespace kprune
