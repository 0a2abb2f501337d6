#include "client/file_digest.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace kprune::client {

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }

std::string Sha256::Finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_.get(), digest, &size);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

absl::StatusOr<int64_t> Sha256::UpdateFromFile(int fd, const std::filesystem::path& path) {
  std::vector<char> buffer(1 << 20);
  for (int64_t read = 0;;) {
    const ssize_t count = pread(fd, buffer.data(), buffer.size(), read);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path.string()));
    if (count == 0) return read;
    Update(std::string_view(buffer.data(), static_cast<size_t>(count)));
    read += count;
  }
}

absl::StatusOr<std::string> Sha256OfFile(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path.string()));
  Sha256 hash;
  const absl::StatusOr<int64_t> read = hash.UpdateFromFile(fd, path);
  close(fd);
  if (!read.ok()) return read.status();
  return hash.Finish();
}

}  // namespace kprune::client
