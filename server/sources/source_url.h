// Where bytes may come from, taken apart and normalised so that two texts can be compared by their parts:
// "https://host:port/folder/" and "s3://bucket/prefix/". Pure functions and a plain value.
//
// Refused, because servers and resolvers disagree about them: user names and passwords, fragments, "." and
// ".." in any spelling, encoded slashes and backslashes, addresses in any form but the usual one (no
// 0x7f.1, no 2130706433), host names beyond ASCII (their xn-- form is accepted).
#ifndef KPRUNE_SERVER_SOURCES_SOURCE_URL_H_
#define KPRUNE_SERVER_SOURCES_SOURCE_URL_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace kprune {

struct SourceUrl {
  std::string scheme;  // "https", "http" or "s3"
  std::string host;    // lower case; an IPv6 address without its brackets; of s3 the bucket
  int port = 0;        // 0 for s3
  std::string path;    // begins with a slash
  std::string query;   // without its question mark; may hold a signature

  bool operator==(const SourceUrl&) const = default;

  // For a request: everything.
  std::string Text() const;
  // For people and logs: without the query, which may hold a secret.
  std::string Shown() const;
  // "https://host" or "https://host:port".
  std::string Origin() const;
  // The URL of a name (a/b) below this folder.
  SourceUrl At(std::string_view name) const;
};

// A whole URL, as a redirect has it. INVALID_ARGUMENT says what is wrong without quoting `text`, which may
// hold a secret.
absl::StatusOr<SourceUrl> ParseSourceUrl(std::string_view text);

// A folder, as an operator or a user writes it: no query, the path only letters, digits and ._~+=@,:- and
// slashes; one is put at its end where there is none.
absl::StatusOr<SourceUrl> ParseSourceFolder(std::string_view text);

// What a Location header that came from `base` points to.
absl::StatusOr<SourceUrl> ResolveLocation(const SourceUrl& base, std::string_view location);

// Whether `url` is the folder itself or something below it.
bool IsWithin(const SourceUrl& url, const SourceUrl& folder);

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_SOURCE_URL_H_
