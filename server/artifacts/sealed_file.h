// The content of one artifact, encrypted: the header of file_cipher.h, then the content in sealed chunks, of
// which all but the last have the same size. Any part can be read without what stands before it.
//
// A chunk is written once, when it is full: until then its bytes are held back, and whoever has to make them
// safe writes them elsewhere (commit_record.h). So no crash tears a chunk that was safe.
#ifndef KPRUNE_SERVER_ARTIFACTS_SEALED_FILE_H_
#define KPRUNE_SERVER_ARTIFACTS_SEALED_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/artifacts/artifact_keys.h"
#include "server/artifacts/content_file.h"
#include "server/artifacts/file_cipher.h"
#include "server/artifacts/posix_file.h"

namespace kprune {

class SealedFile final : public ContentFile {
 public:
  // An artifact's file, to be read. DataLoss: it is none, or under a key that `keys` lack.
  static absl::StatusOr<std::unique_ptr<SealedFile>> Open(const ArtifactKeys& keys, PosixFile file);

  // A new one in a file that is open for reading and writing and whose bytes are of no use any more.
  static absl::StatusOr<std::unique_ptr<SealedFile>> Make(const ArtifactKeys& keys, int64_t chunk_bytes,
                                                          PosixFile file);

  // The content's size by that of the file, without a key.
  static int64_t ContentBytes(int64_t file_bytes, int64_t chunk_bytes);

  absl::StatusOr<int64_t> size_bytes() const override;
  absl::Status ReadAt(int64_t offset, int64_t max_bytes, std::string* bytes) const override;
  // To a chunk's end.
  absl::Status TruncateTo(int64_t size_bytes) override;
  absl::Status Append(std::string_view bytes) override;
  std::string_view held_back() const override { return held_back_; }
  int64_t chunk_bytes() const override { return cipher_->chunk_bytes(); }
  bool is_plain() const override { return false; }
  absl::Status Complete() override;
  void StartWriteback(int64_t offset, int64_t count) override;
  PosixFile& file() override { return file_; }

  FileCipher& cipher() { return *cipher_; }

 private:
  SealedFile(PosixFile file, std::unique_ptr<FileCipher> cipher)
      : file_(std::move(file)), cipher_(std::move(cipher)) {}

  // Where the chunk of that index begins in the file.
  int64_t ChunkAt(int64_t index) const;
  // Seals chunks of whole size, the last may be short, and writes them at the end.
  absl::Status Write(std::string_view bytes);

  PosixFile file_;
  const std::unique_ptr<FileCipher> cipher_;
  int64_t chunks_ = 0;  // that Append has written
  std::string held_back_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_SEALED_FILE_H_
