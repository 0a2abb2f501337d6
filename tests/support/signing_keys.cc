#include "tests/support/signing_keys.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>
#include <stdexcept>

namespace kprune::testing {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using File = std::unique_ptr<BIO, decltype(&BIO_free)>;

void Require(bool ok) {
  if (!ok) throw std::runtime_error("OpenSSL could not make or write a key");
}

EVP_PKEY* Generate(const std::string& kind) {
  if (kind == "RSA") return EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048});
  if (kind == "ED25519") return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", kind.c_str());
}

}  // namespace

KeyFiles WriteKeyPair(const std::filesystem::path& prefix, const std::string& kind,
                      const std::string& password) {
  const KeyFiles files = {prefix.string() + ".pem", prefix.string() + ".pub.pem"};
  const Key key(Generate(kind), EVP_PKEY_free);
  Require(key != nullptr);
  const File secret(BIO_new_file(files.private_pem.c_str(), "w"), BIO_free);
  Require(secret != nullptr &&
          PEM_write_bio_PrivateKey(secret.get(), key.get(), password.empty() ? nullptr : EVP_aes_256_cbc(),
                                   nullptr, 0, nullptr,
                                   password.empty() ? nullptr : const_cast<char*>(password.c_str())) == 1);
  const File open(BIO_new_file(files.public_pem.c_str(), "w"), BIO_free);
  Require(open != nullptr && PEM_write_bio_PUBKEY(open.get(), key.get()) == 1);
  return files;
}

}  // namespace kprune::testing
