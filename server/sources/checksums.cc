#include "server/sources/checksums.h"

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kprune/artifact_store.h"

namespace kprune {

absl::StatusOr<std::map<std::string, std::string, std::less<>>> ParseChecksums(std::string_view text) {
  constexpr size_t kDigestBytes = 64;
  std::map<std::string, std::string, std::less<>> digests;
  const std::vector<std::string> lines = absl::StrSplit(std::string(text), '\n');
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string line(absl::StripTrailingAsciiWhitespace(lines[i]));
    if (line.empty()) continue;
    const std::string digest = absl::AsciiStrToLower(line.substr(0, kDigestBytes));
    // Two characters stand between: a space, and a space or (read in binary) an asterisk.
    const std::string_view gap = std::string_view(line).substr(std::min(kDigestBytes, line.size()), 2);
    if (!IsArtifactDigest(digest) || (gap != "  " && gap != " *") || line.size() == kDigestBytes + 2) {
      return absl::InvalidArgumentError(
          absl::StrCat(std::string(kChecksumsFile), " line ", i + 1,
                       " is not of the form that sha256sum writes (digest, two spaces, name)"));
    }
    std::string name = line.substr(kDigestBytes + 2);
    if (name.starts_with("./")) name.erase(0, 2);
    const auto [place, is_new] = digests.emplace(name, digest);
    if (!is_new && place->second != digest)
      return absl::InvalidArgumentError(absl::StrCat(std::string(kChecksumsFile), " line ", i + 1,
                                                     " gives a name another digest than before"));
  }
  return digests;
}

}  // namespace kprune
