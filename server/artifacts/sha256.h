// Incremental SHA-256.
#ifndef KPRUNE_SERVER_ARTIFACTS_SHA256_H_
#define KPRUNE_SERVER_ARTIFACTS_SHA256_H_

#include <memory>
#include <string>
#include <string_view>

typedef struct evp_md_ctx_st EVP_MD_CTX;

namespace kprune {

// Used by one thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();

  void Update(std::string_view bytes);

  // 64 lower-case hexadecimal digits of everything given so far; more may follow.
  std::string HexDigest() const;

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const;
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_SHA256_H_
