#include "server/sources/source_url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace kprune {
namespace {

constexpr size_t kMaxUrlBytes = 8192;
constexpr int kHttpsPort = 443;
constexpr int kHttpPort = 80;

absl::Status Refused(std::string_view reason) { return absl::InvalidArgumentError(std::string(reason)); }

int DefaultPort(std::string_view scheme) {
  if (scheme == "https") return kHttpsPort;
  return scheme == "http" ? kHttpPort : 0;
}

bool IsAddress(int family, const std::string& text) {
  unsigned char address[sizeof(in6_addr)];
  return inet_pton(family, text.c_str(), address) == 1;
}

// A name of dot-separated labels, or an address in its usual form.
absl::Status CheckHost(const std::string& host, bool bracketed) {
  if (bracketed) return IsAddress(AF_INET6, host) ? absl::OkStatus() : Refused("its IPv6 address is wrong");
  const std::vector<std::string> labels = absl::StrSplit(host, '.');
  for (const std::string& label : labels) {
    const bool plain = std::all_of(label.begin(), label.end(), [](unsigned char c) {
      return std::islower(c) || std::isdigit(c) || c == '-' || c == '_';
    });
    if (label.empty() || label.size() > 63 || !plain)
      return Refused("its host is no name of letters, digits, dots and dashes");
  }
  // Resolvers take a last label of digits for an address, in many spellings.
  if (std::isdigit(static_cast<unsigned char>(labels.back()[0])) && !IsAddress(AF_INET, host))
    return Refused("its host is an address that is not written as four decimal numbers");
  return absl::OkStatus();
}

std::optional<unsigned char> HexByte(std::string_view digits) {
  unsigned char value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) return std::nullopt;
  return value;
}

// Segments as a server would see them after decoding.
absl::Status CheckPath(std::string_view path) {
  std::string segment;
  for (size_t i = 0; i <= path.size(); ++i) {
    if (i == path.size() || path[i] == '/') {
      if (segment == "." || segment == "..") return Refused("its path has a . or .. in it");
      segment.clear();
      continue;
    }
    unsigned char c = static_cast<unsigned char>(path[i]);
    const bool encoded = c == '%';
    if (encoded) {
      const std::optional<unsigned char> decoded = HexByte(path.substr(i + 1, 2));
      if (!decoded) return Refused("its path has a % that encodes nothing");
      c = *decoded;
      i += 2;
      if (c == '/') return Refused("its path has an encoded slash");
    }
    if (c == '\\' || c < ' ' || c == 0x7f || (c == ' ' && !encoded))
      return Refused("its path has a backslash, space or control character");
    segment += static_cast<char>(c);
  }
  return absl::OkStatus();
}

absl::Status ParseAuthority(std::string_view authority, SourceUrl& url) {
  if (authority.find('@') != std::string_view::npos)
    return Refused("it holds a user name or password, and credentials belong to the server's operator alone");
  const bool bracketed = !authority.empty() && authority[0] == '[';
  const size_t host_end = bracketed ? authority.find(']') : std::min(authority.find(':'), authority.size());
  if (host_end == std::string_view::npos) return Refused("its IPv6 address has no closing bracket");
  url.host = absl::AsciiStrToLower(std::string(authority.substr(bracketed, host_end - bracketed)));
  if (absl::Status host = CheckHost(url.host, bracketed); !host.ok()) return host;
  std::string_view rest = authority.substr(std::min(host_end + bracketed, authority.size()));
  url.port = DefaultPort(url.scheme);
  if (rest.empty()) return absl::OkStatus();
  if (rest[0] != ':' || url.scheme == "s3") return Refused("what follows its host is no port");
  rest.remove_prefix(1);
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), url.port);
  if (error != std::errc() || end != rest.data() + rest.size() || url.port < 1 || url.port > 65535)
    return Refused("its port is none of 1 to 65535");
  return absl::OkStatus();
}

bool IsPlainPathCharacter(char c) {
  constexpr std::string_view kOthers = "._~+=@,:-/";
  return std::isalnum(static_cast<unsigned char>(c)) || kOthers.find(c) != std::string_view::npos;
}

}  // namespace

std::string SourceUrl::Origin() const {
  const bool bracketed = host.find(':') != std::string::npos;
  std::string text = absl::StrCat(scheme, "://", bracketed ? "[" : "", host, bracketed ? "]" : "");
  if (port != DefaultPort(scheme)) absl::StrAppend(&text, ":", port);
  return text;
}

std::string SourceUrl::Shown() const { return Origin() + path; }

std::string SourceUrl::Text() const { return query.empty() ? Shown() : absl::StrCat(Shown(), "?", query); }

SourceUrl SourceUrl::At(std::string_view name) const {
  SourceUrl url = *this;
  if (!url.path.ends_with('/')) url.path += '/';
  url.path += name;
  return url;
}

absl::StatusOr<SourceUrl> ParseSourceUrl(std::string_view text) {
  if (text.size() > kMaxUrlBytes) return Refused("it is longer than 8192 bytes");
  SourceUrl url;
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return Refused("it has no scheme");
  url.scheme = absl::AsciiStrToLower(std::string(text.substr(0, scheme_end)));
  if (url.scheme != "https" && url.scheme != "http" && url.scheme != "s3")
    return Refused("its scheme is neither https nor s3");
  text.remove_prefix(scheme_end + 3);
  if (text.find('#') != std::string_view::npos) return Refused("it has a fragment (#)");
  const size_t authority_end = std::min(text.find_first_of("/?"), text.size());
  if (absl::Status status = ParseAuthority(text.substr(0, authority_end), url); !status.ok()) return status;
  text.remove_prefix(authority_end);
  const size_t path_end = std::min(text.find('?'), text.size());
  url.path = path_end == 0 ? "/" : std::string(text.substr(0, path_end));
  if (path_end < text.size()) url.query = std::string(text.substr(path_end + 1));
  const bool printable =
      std::all_of(url.query.begin(), url.query.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
  if (!printable) return Refused("its query has a space or control character");
  if (absl::Status status = CheckPath(url.path); !status.ok()) return status;
  return url;
}

absl::StatusOr<SourceUrl> ParseSourceFolder(std::string_view text) {
  absl::StatusOr<SourceUrl> url = ParseSourceUrl(text);
  if (!url.ok()) return url;
  if (text.find('?') != std::string_view::npos) return Refused("it has a query (?), which a folder has not");
  if (!std::all_of(url->path.begin(), url->path.end(), IsPlainPathCharacter))
    return Refused("its path has a character that is none of letters, digits and ._~+=@,:-");
  if (url->path.find("//") != std::string::npos) return Refused("its path has an empty part (//)");
  if (!url->path.ends_with('/')) url->path += '/';
  return url;
}

absl::StatusOr<SourceUrl> ResolveLocation(const SourceUrl& base, std::string_view location) {
  if (location.starts_with("//"))
    return ParseSourceUrl(absl::StrCat(base.scheme, ":", std::string(location)));
  if (location.starts_with("/")) return ParseSourceUrl(base.Origin() + std::string(location));
  // Only what has a scheme before its first slash, question mark or fragment is absolute.
  const size_t scheme_end = location.find("://");
  if (scheme_end != std::string_view::npos && scheme_end < location.find_first_of("/?#") + 1)
    return ParseSourceUrl(location);
  const std::string folder = base.path.substr(0, base.path.rfind('/') + 1);
  return ParseSourceUrl(absl::StrCat(base.Origin(), folder, std::string(location)));
}

bool IsWithin(const SourceUrl& url, const SourceUrl& folder) {
  return url.scheme == folder.scheme && url.host == folder.host && url.port == folder.port &&
         url.path.starts_with(folder.path);
}

}  // namespace kprune
