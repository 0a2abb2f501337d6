// How the bytes of one file are encrypted: AES-256-GCM over pieces, each under a nonce of its own, with a key
// that only this file has.
//
// A file begins with a header of kHeaderBytes:
//   8   "KPSEAL01"
//   8   id of the operator's key
//   4   bytes of a chunk, little-endian
//   12  zeros
//   32  salt, random
// The key of the file is HKDF-SHA256(operator's key, salt, the header), so that a header which was changed
// fits no byte of the file. A sealed piece is 12 bytes of random nonce, the ciphertext and 16 bytes of tag;
// it is bound to its place in the file. That a file was cut at a piece's end is for the digest of the whole
// to find.
#ifndef KPRUNE_SERVER_ARTIFACTS_FILE_CIPHER_H_
#define KPRUNE_SERVER_ARTIFACTS_FILE_CIPHER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/artifacts/artifact_keys.h"

typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;

namespace kprune {

// Used by one thread at a time.
class FileCipher {
 public:
  static constexpr int64_t kHeaderBytes = 64;
  // What sealing adds to a piece.
  static constexpr int64_t kOverheadBytes = 12 + 16;

  // For a new file, under keys.current().
  static std::unique_ptr<FileCipher> ForNewFile(const ArtifactKeys& keys, int64_t chunk_bytes);

  // For a file that begins with `header`. DataLoss: it is none. NotFound: `keys` lack its key.
  static absl::StatusOr<std::unique_ptr<FileCipher>> ForHeader(const ArtifactKeys& keys,
                                                               std::string_view header);

  // The id of the key that the header names. DataLoss: it is none.
  static absl::StatusOr<std::string> KeyIdOf(std::string_view header);

  const std::string& header() const { return header_; }
  int64_t chunk_bytes() const { return chunk_bytes_; }

  // Appends the sealed piece to `*sealed`.
  void Seal(uint64_t place, std::string_view bytes, std::string* sealed);

  // Appends what was sealed to `*bytes`. DataLoss: it is not what was sealed for that place; then nothing.
  absl::Status Unseal(uint64_t place, std::string_view sealed, std::string* bytes);

  ~FileCipher();

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const;
  };

  FileCipher(const ArtifactKey& key, std::string header, int64_t chunk_bytes);

  // Constant after construction.
  const std::string header_;
  const int64_t chunk_bytes_;

  std::unique_ptr<EVP_CIPHER_CTX, Free> sealing_, unsealing_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_FILE_CIPHER_H_
