// The file SHA256SUMS, as `sha256sum * > SHA256SUMS` writes it beside a model. Pure functions.
#ifndef KPRUNE_SERVER_SOURCES_CHECKSUMS_H_
#define KPRUNE_SERVER_SOURCES_CHECKSUMS_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace kprune {

inline constexpr std::string_view kChecksumsFile = "SHA256SUMS";

// Digest by name ("config.json", "1_Pooling/config.json"; a "./" before it is left out). INVALID_ARGUMENT
// names the line that is none, or a name with two digests.
absl::StatusOr<std::map<std::string, std::string, std::less<>>> ParseChecksums(std::string_view text);

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_CHECKSUMS_H_
