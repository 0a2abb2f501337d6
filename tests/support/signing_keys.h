// Key pairs as operators make them with `openssl genpkey`, fresh ones for every test.
#ifndef KPRUNE_TESTS_SUPPORT_SIGNING_KEYS_H_
#define KPRUNE_TESTS_SUPPORT_SIGNING_KEYS_H_

#include <filesystem>
#include <string>

namespace kprune::testing {

struct KeyFiles {
  std::filesystem::path private_pem, public_pem;
};

// Writes <prefix>.pem and <prefix>.pub.pem. `kind` is "ED25519", "RSA", or a curve's name such as "P-256"; a
// private key with a password is encrypted. Throws std::runtime_error where OpenSSL fails.
KeyFiles WriteKeyPair(const std::filesystem::path& prefix, const std::string& kind = "ED25519",
                      const std::string& password = "");

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_SUPPORT_SIGNING_KEYS_H_
