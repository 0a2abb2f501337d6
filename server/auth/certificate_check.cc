#include "server/auth/certificate_check.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

template <auto kFree>
struct FreeBy {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, FreeBy<BIO_free>>;
using Certificate = std::unique_ptr<X509, FreeBy<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, FreeBy<EVP_PKEY_free>>;

Bio Open(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// Nobody is there to be asked for one.
int NoPassword(char*, int, int, void*) { return -1; }

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

absl::Time Begin(const Certificate& certificate) { return TimeOf(X509_get0_notBefore(certificate.get())); }
absl::Time End(const Certificate& certificate) { return TimeOf(X509_get0_notAfter(certificate.get())); }

absl::StatusOr<std::vector<Certificate>> ReadCertificates(const PemFile& file) {
  std::vector<Certificate> certificates;
  const Bio bio = Open(file.text);
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr)})
    certificates.push_back(std::move(next));
  // The end of the file is an error to the library, too; any other is a certificate that is broken.
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  if (!certificates.empty() && ERR_GET_REASON(error) == PEM_R_NO_START_LINE) return certificates;
  return absl::FailedPreconditionError(
      absl::StrCat(file.name, " has no certificate, or a broken one; it must hold certificates in PEM."));
}

absl::Status OutOfTime(const PemFile& file, absl::Time begin, absl::Time end) {
  return absl::FailedPreconditionError(absl::StrCat(
      "The certificate in ", file.name, " is valid from ", absl::FormatTime(begin, absl::UTCTimeZone()),
      " to ", absl::FormatTime(end, absl::UTCTimeZone()), " only; it needs one that is valid now."));
}

}  // namespace

absl::StatusOr<absl::Time> CheckIdentity(const PemFile& chain, const PemFile& key, absl::Time now) {
  const absl::StatusOr<std::vector<Certificate>> certificates = ReadCertificates(chain);
  if (!certificates.ok()) return certificates.status();
  absl::Time expiry = absl::InfiniteFuture();
  for (const Certificate& certificate : *certificates) {
    if (now < Begin(certificate) || now >= End(certificate))
      return OutOfTime(chain, Begin(certificate), End(certificate));
    expiry = std::min(expiry, End(certificate));
  }
  const Bio bio = Open(key.text);
  const Key parsed(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  const bool matches = parsed && X509_check_private_key((*certificates)[0].get(), parsed.get()) == 1;
  ERR_clear_error();
  if (!parsed)
    return absl::FailedPreconditionError(
        absl::StrCat(key.name, " has no private key; it must hold one in PEM, without a password."));
  if (!matches)
    return absl::FailedPreconditionError(absl::StrCat("The private key in ", key.name,
                                                      " is not that of the certificate in ", chain.name,
                                                      "; they must be a pair."));
  return expiry;
}

absl::StatusOr<absl::Time> CheckAuthorities(const PemFile& authorities, absl::Time now) {
  const absl::StatusOr<std::vector<Certificate>> certificates = ReadCertificates(authorities);
  if (!certificates.ok()) return certificates.status();
  std::optional<absl::Time> expiry;
  for (const Certificate& certificate : *certificates) {
    if (now < Begin(certificate) || now >= End(certificate)) continue;
    expiry = std::min(expiry.value_or(absl::InfiniteFuture()), End(certificate));
  }
  if (expiry) return *expiry;
  return OutOfTime(authorities, Begin((*certificates)[0]), End((*certificates)[0]));
}

}  // namespace kprune
