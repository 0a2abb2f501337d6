// A download that is not finished, on disk; its digest is computed while it grows.
#ifndef KPRUNE_CLIENT_PART_FILE_H_
#define KPRUNE_CLIENT_PART_FILE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "client/file_digest.h"

namespace kprune::client {

// Not thread-safe. After an error nothing but its destruction makes sense.
class PartFile {
 public:
  // Nothing is done before Open.
  explicit PartFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  // Goes on with what is there, which is read for its digest; with nothing where that is more than
  // `most_bytes`.
  absl::Status Open(int64_t most_bytes);

  // Adds to its end.
  absl::Status Append(std::string_view bytes);

  // Returns when all of it is on the disk.
  absl::Status Sync();

  int64_t size_bytes() const { return size_bytes_; }

  // Call once, as the last.
  std::string Digest() { return hash_.Finish(); }

 private:
  absl::Status Error(const char* action) const;

  const std::filesystem::path path_;
  int fd_ = -1;
  int64_t size_bytes_ = 0;
  int64_t given_to_disk_ = 0;
  Sha256 hash_;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_PART_FILE_H_
