#include "engine/formats/sha256.h"

#include <openssl/evp.h>

#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "engine/formats/file.h"

namespace kprune {
namespace {

std::string Sha256(const void* data, size_t size) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_bytes = 0;
  EVP_Digest(data, size, digest, &digest_bytes, EVP_sha256(), nullptr);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), digest_bytes));
}

}  // namespace

std::string Sha256OfBytes(std::string_view bytes) { return Sha256(bytes.data(), bytes.size()); }

absl::StatusOr<std::string> Sha256OfFile(const std::filesystem::path& path) {
  absl::StatusOr<std::unique_ptr<MappedFile>> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  return Sha256((*file)->bytes().data(), (*file)->bytes().size());
}

}  // namespace kprune
