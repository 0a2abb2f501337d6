#include "server/auth/watched_files.h"

#include <sys/stat.h>

#include <utility>

namespace kprune {

WatchedFiles::WatchedFiles(std::vector<std::filesystem::path> files)
    : files_(std::move(files)), taken_(Look()), seen_(taken_) {}

std::vector<WatchedFiles::Stamp> WatchedFiles::Look() const {
  std::vector<Stamp> stamps;
  for (const std::filesystem::path& file : files_) {
    struct stat found = {};
    if (file.empty() || ::stat(file.c_str(), &found) != 0) found = {};
    stamps.push_back({static_cast<int64_t>(found.st_dev), static_cast<int64_t>(found.st_ino), found.st_size,
                      found.st_mtim.tv_sec, found.st_mtim.tv_nsec});
  }
  return stamps;
}

bool WatchedFiles::Changed() {
  const std::vector<Stamp> before = std::exchange(seen_, Look());
  if (seen_ != before || seen_ == taken_) return false;
  taken_ = seen_;
  return true;
}

}  // namespace kprune
