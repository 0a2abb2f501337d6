// Ed25519 and ECDSA P-256 keys in PEM files, as `openssl genpkey` writes them: a private one signs, a public
// one verifies. ECDSA signs the message's SHA-256; its signatures are in DER. Thread-safe: immutable.
#ifndef KPRUNE_ENGINE_FORMATS_SIGNING_KEY_H_
#define KPRUNE_ENGINE_FORMATS_SIGNING_KEY_H_

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace kprune {

// One of either kind; owns it, and wipes a private one at the end.
struct KeyDeleter {
  void operator()(evp_pkey_st* key) const;
};
using OpenedKey = std::unique_ptr<evp_pkey_st, KeyDeleter>;

class SigningKey {
 public:
  // Reads a private key. NOT_FOUND, PERMISSION_DENIED or INVALID_ARGUMENT (encrypted, no private key, of
  // another kind) name the file; no message, and nothing else, ever holds bytes of the key.
  static absl::StatusOr<SigningKey> FromFile(const std::filesystem::path& pem);

  // SHA-256 of the public key (DER of SubjectPublicKeyInfo), as 64 hexadecimal digits.
  const std::string& id() const { return id_; }

  absl::StatusOr<std::string> Sign(std::string_view message) const;

 private:
  SigningKey(OpenedKey key, std::string id) : key_(std::move(key)), id_(std::move(id)) {}

  OpenedKey key_;
  std::string id_;
};

class PublicKey {
 public:
  // Reads a public key. Errors as those of SigningKey.
  static absl::StatusOr<PublicKey> FromFile(const std::filesystem::path& pem);

  // The same as that of its private key.
  const std::string& id() const { return id_; }

  bool Verifies(std::string_view message, std::string_view signature) const;

 private:
  PublicKey(OpenedKey key, std::string id) : key_(std::move(key)), id_(std::move(id)) {}

  OpenedKey key_;
  std::string id_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_SIGNING_KEY_H_
