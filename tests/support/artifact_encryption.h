// Keys of tests, and chunks so small that short texts take several.
#ifndef KPRUNE_TESTS_SUPPORT_ARTIFACT_ENCRYPTION_H_
#define KPRUNE_TESTS_SUPPORT_ARTIFACT_ENCRYPTION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "server/artifacts/artifact_forms.h"
#include "server/artifacts/artifact_keys.h"

namespace kprune::testing {

// A line of a file of keys: 32 times that byte.
inline std::string KeyLine(char digit) { return std::string(64, digit) + "\n"; }

inline std::shared_ptr<const ArtifactEncryption> EncryptionUnder(const std::string& lines,
                                                                 int64_t chunk_bytes) {
  return std::make_shared<const ArtifactEncryption>(
      ArtifactEncryption{ArtifactKeys::Parse(lines, "keys").value(), chunk_bytes});
}

inline std::shared_ptr<const ArtifactEncryption> SmallChunks() { return EncryptionUnder(KeyLine('1'), 8); }

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_SUPPORT_ARTIFACT_ENCRYPTION_H_
