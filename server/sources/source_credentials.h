// What the server proves itself with to model sources. It comes from the operator's files and environment
// alone; no job can name or see it, and no message, log line or event ever holds any of it.
#ifndef KPRUNE_SERVER_SOURCES_SOURCE_CREDENTIALS_H_
#define KPRUNE_SERVER_SOURCES_SOURCE_CREDENTIALS_H_

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/sources/source_url.h"

namespace kprune {

struct S3Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty: none
};

// Bearer tokens, each for one folder and what is below it. Thread-safe: immutable.
class BearerTokens {
 public:
  BearerTokens() = default;

  // Reads a file of lines "https://host/folder/ TOKEN"; empty ones and those that begin with # are skipped.
  // No file (an empty path): no tokens. INVALID_ARGUMENT or NOT_FOUND names the file and the line, not what
  // is in it.
  static absl::StatusOr<BearerTokens> FromFile(const std::filesystem::path& file);

  // That of the longest folder that `url` is within; empty where there is none.
  std::string For(const SourceUrl& url) const;

 private:
  std::vector<std::pair<SourceUrl, std::string>> tokens_;
};

// From the [default] section of a file as AWS's tools write it, or, where the path is empty, from
// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; nullopt where these are not set: requests
// are then not signed. Errors as above.
absl::StatusOr<std::optional<S3Credentials>> ReadS3Credentials(const std::filesystem::path& file);

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_SOURCE_CREDENTIALS_H_
