#include "engine/formats/signing_key.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/formats/file.h"
#include "engine/formats/sha256.h"

namespace kprune {
namespace {

// Far more than any key of these kinds needs.
constexpr int64_t kMaxPemBytes = 64 << 10;

constexpr char kAccepted[] = "accepted are Ed25519 and ECDSA P-256";

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

// The bytes of a PEM file, wiped when they go.
struct Pem {
  ~Pem() { OPENSSL_cleanse(text.data(), text.size()); }
  std::string text;
};

// Asked for a password only where the key is encrypted.
int NoteEncrypted(char* /*buffer*/, int /*size*/, int /*writing*/, void* encrypted) {
  *static_cast<bool*>(encrypted) = true;
  return -1;
}

absl::Status Refuse(const std::filesystem::path& pem, const std::string& why) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat("the key ", pem.string(), " ", why));
}

bool IsEd25519(const EVP_PKEY* key) { return EVP_PKEY_is_a(key, "ED25519") == 1; }

bool IsP256(const EVP_PKEY* key) {
  char group[32] = "";
  size_t size = 0;
  return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group, sizeof(group), &size) == 1 &&
         std::string_view(group) == "prime256v1";
}

// Ed25519 takes the message itself.
const EVP_MD* DigestOf(const EVP_PKEY* key) { return IsEd25519(key) ? nullptr : EVP_sha256(); }

std::string IdOf(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return "";
  std::string id = Sha256OfBytes({reinterpret_cast<const char*>(der), static_cast<size_t>(size)});
  OPENSSL_free(der);
  return id;
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

using PemReader = EVP_PKEY* (*)(BIO*, EVP_PKEY**, pem_password_cb*, void*);

struct ReadKey {
  OpenedKey key;
  std::string id;
};

// `holds_none` is what is wrong with a file that `read` cannot read.
absl::StatusOr<ReadKey> Read(const std::filesystem::path& path, PemReader read, const char* holds_none) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxPemBytes);
  if (!text.ok()) return text.status();
  const Pem pem{*std::move(text)};
  bool encrypted = false;
  BIO* const bytes = BIO_new_mem_buf(pem.text.data(), static_cast<int>(pem.text.size()));
  OpenedKey key(read(bytes, nullptr, NoteEncrypted, &encrypted));
  BIO_free(bytes);
  if (encrypted) return Refuse(path, "is encrypted; give one that is not, readable by its user alone");
  if (key == nullptr) return Refuse(path, holds_none);
  if (!IsEd25519(key.get()) && !IsP256(key.get())) {
    const char* const kind = EVP_PKEY_get0_type_name(key.get());
    return Refuse(path,
                  absl::StrCat("is of another kind (", kind == nullptr ? "unknown" : kind, "); ", kAccepted));
  }
  std::string id = IdOf(key.get());
  if (id.empty()) return Refuse(path, "has no public half");
  return ReadKey{std::move(key), std::move(id)};
}

}  // namespace

void KeyDeleter::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }

absl::StatusOr<SigningKey> SigningKey::FromFile(const std::filesystem::path& pem) {
  absl::StatusOr<ReadKey> read =
      Read(pem, PEM_read_bio_PrivateKey, "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)");
  if (!read.ok()) return read.status();
  return SigningKey(std::move(read->key), std::move(read->id));
}

absl::StatusOr<std::string> SigningKey::Sign(std::string_view message) const {
  const Context context(EVP_MD_CTX_new());
  size_t size = 0;
  std::string signature;
  const auto sign = [&](unsigned char* to) {
    return EVP_DigestSign(context.get(), to, &size, Bytes(message), message.size()) == 1;
  };
  bool ok = EVP_DigestSignInit(context.get(), nullptr, DigestOf(key_.get()), nullptr, key_.get()) == 1 &&
            sign(nullptr);
  if (ok) {
    signature.resize(size);
    ok = sign(reinterpret_cast<unsigned char*>(signature.data()));
    signature.resize(size);  // DER may be shorter than foretold
  }
  ERR_clear_error();
  if (!ok) return absl::InternalError(absl::StrCat("OpenSSL could not sign with the key ", id_));
  return signature;
}

absl::StatusOr<PublicKey> PublicKey::FromFile(const std::filesystem::path& pem) {
  absl::StatusOr<ReadKey> read =
      Read(pem, PEM_read_bio_PUBKEY, "holds no public key in PEM (-----BEGIN PUBLIC KEY-----)");
  if (!read.ok()) return read.status();
  return PublicKey(std::move(read->key), std::move(read->id));
}

bool PublicKey::Verifies(std::string_view message, std::string_view signature) const {
  const Context context(EVP_MD_CTX_new());
  const bool verified =
      EVP_DigestVerifyInit(context.get(), nullptr, DigestOf(key_.get()), nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(message), message.size()) ==
          1;
  ERR_clear_error();
  return verified;
}

}  // namespace kprune
