#include "tests/support/certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdexcept>

#include "tests/support/process.h"

namespace kprune::testing {
namespace {

void Require(bool worked, const char* what) {
  if (!worked) throw std::runtime_error(std::string("cannot make a certificate: ") + what);
}

template <typename Write>
std::string Pem(const Write& write) {
  BIO* const bio = BIO_new(BIO_s_mem());
  Require(write(bio) == 1, "PEM");
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  const std::string text(bytes, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

std::string PemOf(X509* certificate) {
  return Pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

void AddExtension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  Require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, value.c_str());
  X509_EXTENSION_free(extension);
}

// Without extensions and without a signature.
X509* Blank(EVP_PKEY* key, X509* issuer, long serial, const CertificateSpec& spec) {
  X509* const certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), spec.from_seconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate), spec.to_seconds);
  X509_set_pubkey(certificate, key);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer != nullptr ? issuer : certificate));
  return certificate;
}

}  // namespace

CertificateAuthority::CertificateAuthority(const std::string& name) : key_(EVP_EC_gen("P-256")) {
  CertificateSpec spec;
  spec.common_name = name;
  certificate_ = Blank(key_, nullptr, 1, spec);
  AddExtension(certificate_, certificate_, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate_, certificate_, NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(certificate_, certificate_, NID_subject_key_identifier, "hash");
  Require(X509_sign(certificate_, key_, EVP_sha256()) > 0, "signature");
  pem_ = PemOf(certificate_);
}

CertificateAuthority::~CertificateAuthority() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

CertifiedKey CertificateAuthority::Issue(const CertificateSpec& spec) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = Blank(key, certificate_, ++serial_, spec);
  AddExtension(certificate, certificate_, NID_basic_constraints, "critical,CA:FALSE");
  if (!spec.alternative_names.empty())
    AddExtension(certificate, certificate_, NID_subject_alt_name, spec.alternative_names);
  Require(X509_sign(certificate, key_, EVP_sha256()) > 0, "signature");
  const CertifiedKey certified{PemOf(certificate), Pem([&](BIO* bio) {
                                 return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr,
                                                                 nullptr);
                               })};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return certified;
}

void WriteCertifiedKey(const std::filesystem::path& folder, const std::string& name,
                       const CertifiedKey& certified) {
  for (const auto& [ending, bytes] :
       {std::pair(".pem", certified.certificate), std::pair(".key", certified.key)}) {
    const std::filesystem::path file = folder / (name + ending), next = file.string() + ".next";
    WriteFile(next, bytes);
    std::filesystem::rename(next, file);
  }
}

}  // namespace kprune::testing
