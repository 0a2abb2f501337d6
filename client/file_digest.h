// SHA-256, the name of an artifact.
#ifndef KPRUNE_CLIENT_FILE_DIGEST_H_
#define KPRUNE_CLIENT_FILE_DIGEST_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

struct evp_md_ctx_st;

namespace kprune::client {

// A running SHA-256. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(std::string_view bytes);

  // The bytes of the open file from its beginning to its end, which are counted; its offset stays where it
  // is. `path` is for the error.
  absl::StatusOr<int64_t> UpdateFromFile(int fd, const std::filesystem::path& path);

  // 64 lower-case hexadecimal digits. Call once; the object is spent afterwards.
  std::string Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// Digest of a file's bytes. Errors: NOT_FOUND or PERMISSION_DENIED where it cannot be read.
absl::StatusOr<std::string> Sha256OfFile(const std::filesystem::path& path);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_FILE_DIGEST_H_
