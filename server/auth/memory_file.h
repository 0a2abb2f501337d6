// A file that is only in memory and is replaced as a whole, for a library that reads secrets from files.
#ifndef KPRUNE_SERVER_AUTH_MEMORY_FILE_H_
#define KPRUNE_SERVER_AUTH_MEMORY_FILE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kprune {

// Used by one thread at a time, while others read the file by its path. No other process inherits it.
class MemoryFile {
 public:
  static absl::StatusOr<std::unique_ptr<MemoryFile>> Make(std::string_view bytes);
  ~MemoryFile();

  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  // Who opens the path from now on reads these bytes; who has opened it reads those before to their end. No
  // two have the same time of modification, in whole seconds, so that a reader that looks at it before and
  // after knows whether all it read was of one.
  absl::Status Replace(std::string_view bytes);

  // For this process only; stays the same.
  std::string path() const;

 private:
  explicit MemoryFile(int descriptor) : descriptor_(descriptor) {}

  const int descriptor_;  // the number stays, what it stands for is replaced
  int versions_ = 1;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_AUTH_MEMORY_FILE_H_
