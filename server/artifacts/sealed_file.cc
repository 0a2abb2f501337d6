#include "server/artifacts/sealed_file.h"

#include <algorithm>
#include <utility>

namespace kprune {
namespace {

// Sealed at once, before they are written.
constexpr int64_t kSealBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<SealedFile>> SealedFile::Open(const ArtifactKeys& keys, PosixFile file) {
  std::string header;
  if (absl::Status read = file.ReadAt(0, FileCipher::kHeaderBytes, &header); !read.ok()) return read;
  auto cipher = FileCipher::ForHeader(keys, header);
  if (!cipher.ok()) return absl::DataLossError(cipher.status().message());
  return std::unique_ptr<SealedFile>(new SealedFile(std::move(file), *std::move(cipher)));
}

absl::StatusOr<std::unique_ptr<SealedFile>> SealedFile::Make(const ArtifactKeys& keys, int64_t chunk_bytes,
                                                             PosixFile file) {
  std::unique_ptr<SealedFile> made(
      new SealedFile(std::move(file), FileCipher::ForNewFile(keys, chunk_bytes)));
  absl::Status status = made->file_.Truncate(0);
  if (status.ok()) status = made->file_.WriteAt(0, made->cipher_->header());
  if (!status.ok()) return status;
  return made;
}

int64_t SealedFile::ContentBytes(int64_t file_bytes, int64_t chunk_bytes) {
  const int64_t sealed = std::max<int64_t>(file_bytes - FileCipher::kHeaderBytes, 0);
  const int64_t sealed_chunk = chunk_bytes + FileCipher::kOverheadBytes;
  const int64_t last = std::max<int64_t>(sealed % sealed_chunk - FileCipher::kOverheadBytes, 0);
  return sealed / sealed_chunk * chunk_bytes + last;
}

int64_t SealedFile::ChunkAt(int64_t index) const {
  return FileCipher::kHeaderBytes + index * (cipher_->chunk_bytes() + FileCipher::kOverheadBytes);
}

absl::StatusOr<int64_t> SealedFile::size_bytes() const {
  const absl::StatusOr<int64_t> size = file_.size_bytes();
  if (!size.ok()) return size.status();
  return ContentBytes(*size, cipher_->chunk_bytes());
}

absl::Status SealedFile::ReadAt(int64_t offset, int64_t max_bytes, std::string* bytes) const {
  bytes->clear();
  if (max_bytes <= 0) return absl::OkStatus();
  const int64_t chunk_bytes = cipher_->chunk_bytes(), first = offset / chunk_bytes;
  const int64_t end = (offset + max_bytes + chunk_bytes - 1) / chunk_bytes;
  std::string sealed;
  absl::Status status = file_.ReadAt(ChunkAt(first), ChunkAt(end) - ChunkAt(first), &sealed);
  const auto sealed_chunk = static_cast<size_t>(chunk_bytes + FileCipher::kOverheadBytes);
  std::string_view rest = sealed;
  for (int64_t index = first; status.ok() && !rest.empty(); ++index) {
    status = cipher_->Unseal(static_cast<uint64_t>(index), rest.substr(0, sealed_chunk), bytes);
    rest.remove_prefix(std::min(rest.size(), sealed_chunk));
  }
  bytes->erase(0, static_cast<size_t>(offset - first * chunk_bytes));
  if (bytes->size() > static_cast<size_t>(max_bytes)) bytes->resize(static_cast<size_t>(max_bytes));
  return status;
}

absl::Status SealedFile::TruncateTo(int64_t size_bytes) {
  const int64_t chunks = size_bytes / cipher_->chunk_bytes();
  if (chunks * cipher_->chunk_bytes() != size_bytes)
    return absl::InternalError("an encrypted file can be cut at the end of a chunk only");
  absl::Status truncated = file_.Truncate(ChunkAt(chunks));
  if (!truncated.ok()) return truncated;
  chunks_ = chunks;
  held_back_.clear();
  return absl::OkStatus();
}

absl::Status SealedFile::Append(std::string_view bytes) {
  const auto chunk_bytes = static_cast<size_t>(cipher_->chunk_bytes());
  const size_t held = held_back_.size();
  const int64_t chunks = chunks_;
  if (held > 0) {
    const std::string_view completing = bytes.substr(0, chunk_bytes - held);
    held_back_ += completing;
    bytes.remove_prefix(completing.size());
    if (held_back_.size() < chunk_bytes) return absl::OkStatus();
  }
  const size_t whole = bytes.size() - bytes.size() % chunk_bytes;
  absl::Status written = Write(held_back_);
  if (written.ok()) written = Write(bytes.substr(0, whole));
  if (written.ok()) {
    held_back_ = bytes.substr(whole);
  } else {
    held_back_.resize(held);
    chunks_ = chunks;
  }
  return written;
}

absl::Status SealedFile::Complete() {
  absl::Status written = Write(held_back_);
  if (written.ok()) held_back_.clear();
  return written;
}

absl::Status SealedFile::Write(std::string_view bytes) {
  std::string sealed;
  int64_t chunks = chunks_;
  while (!bytes.empty()) {
    const int64_t at = ChunkAt(chunks);
    sealed.clear();
    while (!bytes.empty() && static_cast<int64_t>(sealed.size()) < kSealBytes) {
      const std::string_view chunk = bytes.substr(0, static_cast<size_t>(cipher_->chunk_bytes()));
      cipher_->Seal(static_cast<uint64_t>(chunks++), chunk, &sealed);
      bytes.remove_prefix(chunk.size());
    }
    if (absl::Status written = file_.WriteAt(at, sealed); !written.ok()) return written;
  }
  chunks_ = chunks;
  return absl::OkStatus();
}

void SealedFile::StartWriteback(int64_t offset, int64_t count) {
  const int64_t first = ChunkAt(offset / cipher_->chunk_bytes());
  file_.StartWriteback(first, ChunkAt((offset + count) / cipher_->chunk_bytes()) - first);
}

}  // namespace kprune
