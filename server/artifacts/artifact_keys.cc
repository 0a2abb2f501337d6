#include "server/artifacts/artifact_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/artifacts/posix_file.h"

namespace kprune {
namespace {

constexpr size_t kMaxKeyFileBytes = 64 << 10;

struct FreeKdf {
  void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

OSSL_PARAM KdfInput(const char* name, std::string_view bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(bytes.data()), bytes.size());
}

bool IsHexadecimal(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
}

}  // namespace

SecretKey SecretKey::Derive(std::string_view secret, std::string_view salt, std::string_view info) {
  const std::unique_ptr<EVP_KDF, FreeKdf> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const std::unique_ptr<EVP_KDF_CTX, FreeKdf> context(EVP_KDF_CTX_new(kdf.get()));
  char hash[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash, 0),
                                   KdfInput(OSSL_KDF_PARAM_KEY, secret), KdfInput(OSSL_KDF_PARAM_SALT, salt),
                                   KdfInput(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
  SecretKey derived(std::string(kBytes, '\0'));
  // OpenSSL fails here only without memory or without SHA-256: no server can go on.
  if (!context || EVP_KDF_derive(context.get(), derived.bytes_.data(), kBytes, parameters) != 1) std::abort();
  return derived;
}

SecretKey::SecretKey(std::string_view bytes) {
  if (bytes.size() != kBytes) std::abort();
  std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

SecretKey::~SecretKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

std::string_view SecretKey::bytes() const {
  return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
}

std::string KeyName(std::string_view id) {
  return absl::BytesToHexString(absl::string_view(id.data(), id.size()));
}

absl::StatusOr<ArtifactKeys> ArtifactKeys::Parse(std::string_view text, std::string_view name) {
  const auto refuse = [&](int line, const char* what) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(name), " line ", line, " ", what,
                     "; a key is 64 hexadecimal digits, as `openssl rand -hex 32` writes them."));
  };
  std::vector<ArtifactKey> keys;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const std::string_view digits(line.data(), line.size());
    if (digits.size() != 2 * SecretKey::kBytes) return refuse(number, "has another length");
    if (!IsHexadecimal(digits)) return refuse(number, "has other characters");
    std::string bytes = absl::HexStringToBytes(line);
    SecretKey secret(bytes);
    OPENSSL_cleanse(bytes.data(), bytes.size());
    std::string id(
        SecretKey::Derive(secret.bytes(), "", "kprune key id").bytes().substr(0, ArtifactKey::kIdBytes));
    keys.push_back({std::move(id), secret});
  }
  if (keys.empty()) return refuse(number, "ends it without a key");
  return ArtifactKeys(std::move(keys));
}

absl::StatusOr<ArtifactKeys> ArtifactKeys::Read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return ErrnoStatus("open", file);
  std::string text(kMaxKeyFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return ErrnoStatus("read", file);
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMaxKeyFileBytes)
    return absl::InvalidArgumentError(
        absl::StrCat(file.string(), " has more than the ", kMaxKeyFileBytes, " bytes of a file of keys."));
  absl::StatusOr<ArtifactKeys> keys = Parse(text, file.string());
  OPENSSL_cleanse(text.data(), text.size());
  return keys;
}

const ArtifactKey* ArtifactKeys::Find(std::string_view id) const {
  for (const ArtifactKey& key : keys_) {
    if (key.id == id) return &key;
  }
  return nullptr;
}

}  // namespace kprune
