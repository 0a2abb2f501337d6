// The keys under which artifacts are encrypted at rest, from a file of the operator's.
#ifndef KPRUNE_SERVER_ARTIFACTS_ARTIFACT_KEYS_H_
#define KPRUNE_SERVER_ARTIFACTS_ARTIFACT_KEYS_H_

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace kprune {

// 256 bits; forgotten by overwriting. Copyable.
class SecretKey {
 public:
  static constexpr size_t kBytes = 32;

  // HKDF-SHA256 (RFC 5869) of `secret`, which is uniformly random.
  static SecretKey Derive(std::string_view secret, std::string_view salt, std::string_view info);

  // `bytes` are kBytes.
  explicit SecretKey(std::string_view bytes);
  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  ~SecretKey();

  std::string_view bytes() const;

 private:
  std::array<unsigned char, kBytes> bytes_;
};

// One key and the name by which files say that they are under it, which tells nothing of the key.
struct ArtifactKey {
  static constexpr size_t kIdBytes = 8;

  std::string id;
  SecretKey secret;
};

// An id as people read it, in hexadecimal.
std::string KeyName(std::string_view id);

// Constant; at least one key.
class ArtifactKeys {
 public:
  // One key a line, as 64 hexadecimal digits (`openssl rand -hex 32` writes one): the first is what new
  // artifacts are encrypted under, the others are of before. Empty lines and lines that begin with # are
  // skipped. InvalidArgument names the line, and shows nothing of it.
  static absl::StatusOr<ArtifactKeys> Parse(std::string_view text, std::string_view name);

  // Parses a file. NotFound, or what else keeps it from being read.
  static absl::StatusOr<ArtifactKeys> Read(const std::filesystem::path& file);

  const ArtifactKey& current() const { return keys_.front(); }

  // Null where there is none of that id.
  const ArtifactKey* Find(std::string_view id) const;

 private:
  explicit ArtifactKeys(std::vector<ArtifactKey> keys) : keys_(std::move(keys)) {}

  std::vector<ArtifactKey> keys_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_ARTIFACT_KEYS_H_
