// Files that somebody replaces while the service runs: whether they have changed, by looking.
#ifndef KPRUNE_SERVER_AUTH_WATCHED_FILES_H_
#define KPRUNE_SERVER_AUTH_WATCHED_FILES_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "absl/time/time.h"

namespace kprune {

// How often the service looks at the files of its access.
inline constexpr absl::Duration kFileLookInterval = absl::Seconds(1);

// Used by one thread at a time. Follows links, so that a folder that is swapped under a link is a change.
class WatchedFiles {
 public:
  // Make it before the files are read for the first time, or a change in between is missed. Empty paths are
  // left out.
  explicit WatchedFiles(std::vector<std::filesystem::path> files);

  // Whether they are others than at the last change, and have been the same for two looks: who replaces a
  // certificate and its key by two copies has both written by then. True once for each change.
  bool Changed();

 private:
  using Stamp = std::array<int64_t, 5>;  // zeros where there is no file

  std::vector<Stamp> Look() const;

  const std::vector<std::filesystem::path> files_;
  std::vector<Stamp> taken_, seen_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_AUTH_WATCHED_FILES_H_
