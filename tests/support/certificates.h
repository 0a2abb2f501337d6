// Certificates for tests, made on the spot: nothing secret lies in the source tree, and nothing expires
// there.
#ifndef KPRUNE_TESTS_SUPPORT_CERTIFICATES_H_
#define KPRUNE_TESTS_SUPPORT_CERTIFICATES_H_

#include <filesystem>
#include <memory>
#include <string>

typedef struct evp_pkey_st EVP_PKEY;
typedef struct x509_st X509;

namespace kprune::testing {

struct CertificateSpec {
  std::string common_name = "localhost";
  // As openssl.cnf writes them; empty: none.
  std::string alternative_names = "DNS:localhost,IP:127.0.0.1";
  // When it is valid, in seconds from now.
  long from_seconds = -3600;
  long to_seconds = 3600;
};

// PEM.
struct CertifiedKey {
  std::string certificate, key;
};

// Not thread-safe. Throws std::runtime_error where the library fails.
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& name = "Test authority");
  ~CertificateAuthority();

  const std::string& certificate() const { return pem_; }

  // Another key each time.
  CertifiedKey Issue(const CertificateSpec& spec = {});

 private:
  EVP_PKEY* const key_;
  X509* certificate_ = nullptr;
  std::string pem_;
  long serial_ = 1;
};

// Writes `name`.pem and `name`.key into the folder, each as one replacement of what was there.
void WriteCertifiedKey(const std::filesystem::path& folder, const std::string& name,
                       const CertifiedKey& certified);

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_SUPPORT_CERTIFICATES_H_
