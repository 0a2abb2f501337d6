// One server a data folder.
#ifndef KPRUNE_SERVER_DATA_DIR_LOCK_H_
#define KPRUNE_SERVER_DATA_DIR_LOCK_H_

#include <filesystem>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"

namespace kprune {

// Holds the folder until destroyed, or until the process is gone.
class DataDirLock {
 public:
  // Makes the folder where it is missing (for its owner only) and locks DIR/lock. FailedPrecondition where
  // another server has it; the sentence names the flag by which the folder was chosen.
  static absl::StatusOr<std::unique_ptr<DataDirLock>> Acquire(const std::filesystem::path& folder,
                                                              std::string_view flag = "--data-dir");
  ~DataDirLock();

  DataDirLock(const DataDirLock&) = delete;
  DataDirLock& operator=(const DataDirLock&) = delete;

 private:
  explicit DataDirLock(int descriptor) : descriptor_(descriptor) {}

  const int descriptor_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_DATA_DIR_LOCK_H_
