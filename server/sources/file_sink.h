// A file that is being fetched: written, measured and hashed as its bytes arrive.
#ifndef KPRUNE_SERVER_SOURCES_FILE_SINK_H_
#define KPRUNE_SERVER_SOURCES_FILE_SINK_H_

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/artifacts/sha256.h"
#include "server/sources/fetch_tally.h"
#include "server/sources/source_reader.h"

namespace kprune {

class FileSink final : public ByteSink {
 public:
  // `path` is made. `is_weights`: its bytes count for the tally's share.
  FileSink(const std::filesystem::path& path, bool is_weights, int64_t disk_low_bytes, FetchTally& tally);

  // RESOURCE_EXHAUSTED: the disk is low or full.
  absl::Status Restart() override;
  void Continue() override { ++tally_.resumes; }
  absl::Status Append(std::string_view bytes) override;
  int64_t size_bytes() const override { return size_bytes_; }
  void Expect(int64_t whole_bytes) override;

  // Writes what is buffered.
  absl::Status Close();
  std::string Sha256Hex() const { return hash_->HexDigest(); }

 private:
  absl::Status CheckDisk();

  const std::filesystem::path path_;
  const bool is_weights_;
  const int64_t disk_low_bytes_;
  FetchTally& tally_;
  std::ofstream out_;
  std::unique_ptr<Sha256> hash_;
  int64_t size_bytes_ = 0;
  int64_t checked_bytes_ = 0;  // size at the last look at the disk
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_FILE_SINK_H_
