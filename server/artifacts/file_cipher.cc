#include "server/artifacts/file_cipher.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

constexpr std::string_view kSealMagic = "KPSEAL01";
constexpr size_t kKeyIdAt = 8, kChunkBytesAt = 16, kSaltAt = 32;
constexpr int kNonceBytes = 12, kTagBytes = 16;
constexpr int64_t kMaxChunkBytes = 1 << 24;

unsigned char* Unsigned(char* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* Unsigned(const char* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }

// What OpenSSL refuses only without memory or without AES: no server can go on.
void RequireCipher(int ok) {
  if (ok != 1) std::abort();
}

template <size_t kBytes>
std::array<char, kBytes> LittleEndian(uint64_t value) {
  std::array<char, kBytes> bytes;
  for (size_t i = 0; i < kBytes; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

int64_t ChunkBytesIn(std::string_view header) {
  int64_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(header[kChunkBytesAt + i]);
  return value;
}

absl::Status CheckHeader(std::string_view header) {
  const bool whole = header.size() == FileCipher::kHeaderBytes && header.substr(0, 8) == kSealMagic;
  if (whole && ChunkBytesIn(header) > 0 && ChunkBytesIn(header) <= kMaxChunkBytes) return absl::OkStatus();
  return absl::DataLossError("the file is not an encrypted artifact: its header is missing or damaged");
}

}  // namespace

void FileCipher::Free::operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }

std::unique_ptr<FileCipher> FileCipher::ForNewFile(const ArtifactKeys& keys, int64_t chunk_bytes) {
  std::string header(kHeaderBytes, '\0');
  header.replace(0, kSealMagic.size(), kSealMagic);
  header.replace(kKeyIdAt, ArtifactKey::kIdBytes, keys.current().id);
  const auto chunk = LittleEndian<4>(static_cast<uint64_t>(chunk_bytes));
  header.replace(kChunkBytesAt, chunk.size(), chunk.data(), chunk.size());
  RequireCipher(RAND_bytes(Unsigned(header.data() + kSaltAt), static_cast<int>(kHeaderBytes - kSaltAt)));
  return std::unique_ptr<FileCipher>(new FileCipher(keys.current(), std::move(header), chunk_bytes));
}

absl::StatusOr<std::unique_ptr<FileCipher>> FileCipher::ForHeader(const ArtifactKeys& keys,
                                                                  std::string_view header) {
  if (absl::Status status = CheckHeader(header); !status.ok()) return status;
  const ArtifactKey* const key = keys.Find(header.substr(kKeyIdAt, ArtifactKey::kIdBytes));
  if (key == nullptr)
    return absl::NotFoundError(absl::StrCat("the file is encrypted under key ", KeyName(*KeyIdOf(header)),
                                            ", which this server was not given"));
  return std::unique_ptr<FileCipher>(new FileCipher(*key, std::string(header), ChunkBytesIn(header)));
}

absl::StatusOr<std::string> FileCipher::KeyIdOf(std::string_view header) {
  if (absl::Status status = CheckHeader(header); !status.ok()) return status;
  return std::string(header.substr(kKeyIdAt, ArtifactKey::kIdBytes));
}

FileCipher::FileCipher(const ArtifactKey& key, std::string header, int64_t chunk_bytes)
    : header_(std::move(header)),
      chunk_bytes_(chunk_bytes),
      sealing_(EVP_CIPHER_CTX_new()),
      unsealing_(EVP_CIPHER_CTX_new()) {
  const SecretKey secret =
      SecretKey::Derive(key.secret.bytes(), std::string_view(header_).substr(kSaltAt), header_);
  const unsigned char* const bytes = Unsigned(secret.bytes().data());
  RequireCipher(EVP_EncryptInit_ex(sealing_.get(), EVP_aes_256_gcm(), nullptr, bytes, nullptr));
  RequireCipher(EVP_DecryptInit_ex(unsealing_.get(), EVP_aes_256_gcm(), nullptr, bytes, nullptr));
}

FileCipher::~FileCipher() = default;

void FileCipher::Seal(uint64_t place, std::string_view bytes, std::string* sealed) {
  const size_t start = sealed->size();
  sealed->resize(start + bytes.size() + kOverheadBytes);
  unsigned char* const nonce = Unsigned(sealed->data() + start);
  unsigned char* const ciphertext = nonce + kNonceBytes;
  const auto bound = LittleEndian<8>(place);
  int count = 0;
  RequireCipher(RAND_bytes(nonce, kNonceBytes));
  RequireCipher(EVP_EncryptInit_ex(sealing_.get(), nullptr, nullptr, nullptr, nonce));
  RequireCipher(EVP_EncryptUpdate(sealing_.get(), nullptr, &count, Unsigned(bound.data()), bound.size()));
  RequireCipher(EVP_EncryptUpdate(sealing_.get(), ciphertext, &count, Unsigned(bytes.data()),
                                  static_cast<int>(bytes.size())));
  RequireCipher(EVP_EncryptFinal_ex(sealing_.get(), ciphertext + count, &count));
  RequireCipher(
      EVP_CIPHER_CTX_ctrl(sealing_.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, ciphertext + bytes.size()));
}

absl::Status FileCipher::Unseal(uint64_t place, std::string_view sealed, std::string* bytes) {
  const absl::Status damaged = absl::DataLossError("an encrypted artifact is damaged on the disk");
  if (sealed.size() < static_cast<size_t>(kOverheadBytes)) return damaged;
  const size_t start = bytes->size(), size = sealed.size() - kOverheadBytes;
  bytes->resize(start + size);
  unsigned char* const plain = Unsigned(bytes->data() + start);
  const unsigned char* const nonce = Unsigned(sealed.data());
  const auto bound = LittleEndian<8>(place);
  std::array<unsigned char, kTagBytes> tag;
  std::copy_n(nonce + kNonceBytes + size, kTagBytes, tag.begin());
  int count = 0;
  RequireCipher(EVP_DecryptInit_ex(unsealing_.get(), nullptr, nullptr, nullptr, nonce));
  RequireCipher(EVP_DecryptUpdate(unsealing_.get(), nullptr, &count, Unsigned(bound.data()), bound.size()));
  RequireCipher(
      EVP_DecryptUpdate(unsealing_.get(), plain, &count, nonce + kNonceBytes, static_cast<int>(size)));
  RequireCipher(EVP_CIPHER_CTX_ctrl(unsealing_.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()));
  if (EVP_DecryptFinal_ex(unsealing_.get(), plain + count, &count) == 1) return absl::OkStatus();
  bytes->resize(start);
  return damaged;
}

}  // namespace kprune
