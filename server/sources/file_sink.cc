#include "server/sources/file_sink.h"

#include <system_error>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

constexpr int64_t kDiskCheckBytes = int64_t{32} << 20;

absl::Status DiskFull() { return absl::ResourceExhaustedError("the server's disk is full"); }

}  // namespace

FileSink::FileSink(const std::filesystem::path& path, bool is_weights, int64_t disk_low_bytes,
                   FetchTally& tally)
    : path_(path),
      is_weights_(is_weights),
      disk_low_bytes_(disk_low_bytes),
      tally_(tally),
      out_(path, std::ios::binary | std::ios::trunc),
      hash_(std::make_unique<Sha256>()) {}

absl::Status FileSink::Restart() {
  tally_.bytes -= size_bytes_;
  if (is_weights_) tally_.weight_bytes -= size_bytes_;
  size_bytes_ = checked_bytes_ = 0;
  hash_ = std::make_unique<Sha256>();
  out_.close();
  out_.open(path_, std::ios::binary | std::ios::trunc);
  return out_ ? absl::OkStatus() : DiskFull();
}

void FileSink::Expect(int64_t whole_bytes) {
  // What was expected for all weights together, or what this file will have where it is more.
  if (is_weights_)
    tally_.weights_whole = std::max(tally_.weights_whole, tally_.weight_bytes - size_bytes_ + whole_bytes);
}

absl::Status FileSink::CheckDisk() {
  checked_bytes_ = size_bytes_;
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(path_.parent_path(), error);
  if (error || static_cast<int64_t>(space.available) >= disk_low_bytes_) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the server's disk has only ", space.available, " bytes left"));
}

absl::Status FileSink::Append(std::string_view bytes) {
  if (size_bytes_ == 0 || size_bytes_ - checked_bytes_ >= kDiskCheckBytes) {
    if (absl::Status disk = CheckDisk(); !disk.ok()) return disk;
  }
  if (!out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()))) return DiskFull();
  hash_->Update(bytes);
  const int64_t count = static_cast<int64_t>(bytes.size());
  size_bytes_ += count;
  tally_.bytes += count;
  if (is_weights_) tally_.weight_bytes += count;
  return absl::OkStatus();
}

absl::Status FileSink::Close() {
  out_.close();
  return out_ ? absl::OkStatus() : DiskFull();
}

}  // namespace kprune
