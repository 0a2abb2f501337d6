// The folder of the running jobs, where it is another than the data folder.
#ifndef KPRUNE_SERVER_WORK_DIR_H_
#define KPRUNE_SERVER_WORK_DIR_H_

#include <filesystem>

#include "absl/status/status.h"

namespace kprune {

// What is in it: job directories, and those of checks.
inline constexpr const char* kWorkFolders[] = {"jobs", "preflight"};

// FailedPrecondition where one of the folders is, or lies in, the other: what is in each is tidied up by
// rules of its own.
absl::Status CheckApart(const std::filesystem::path& work_dir, const std::filesystem::path& data_dir);

// Makes the folder where it is missing, for this user only. FailedPrecondition: it is somebody else's, or no
// folder. Its parent may be everybody's, as a file system in memory is.
absl::Status MakePrivate(const std::filesystem::path& folder);

}  // namespace kprune

#endif  // KPRUNE_SERVER_WORK_DIR_H_
