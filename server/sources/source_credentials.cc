#include "server/sources/source_credentials.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

// Visible ASCII: nothing that could end a header.
bool IsSecret(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

absl::StatusOr<std::vector<std::string>> ReadLines(const fs::path& file) {
  std::ifstream in(file);
  if (!in) return absl::NotFoundError(absl::StrCat("Cannot read ", file.string(), "."));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.emplace_back(absl::StripAsciiWhitespace(line));
  return lines;
}

absl::Status WrongLine(const fs::path& file, size_t index, const char* accepted) {
  return absl::InvalidArgumentError(
      absl::StrCat(file.string(), " line ", index + 1, " is not of the form ", accepted, "."));
}

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

absl::StatusOr<std::optional<S3Credentials>> CheckComplete(S3Credentials credentials,
                                                           const std::string& source) {
  const bool complete = IsSecret(credentials.access_key_id) && IsSecret(credentials.secret_access_key) &&
                        (credentials.session_token.empty() || IsSecret(credentials.session_token));
  if (complete) return credentials;
  return absl::InvalidArgumentError(absl::StrCat(
      source, " has no complete S3 credentials; an access key ID and a secret access key belong together."));
}

}  // namespace

absl::StatusOr<BearerTokens> BearerTokens::FromFile(const fs::path& file) {
  BearerTokens tokens;
  if (file.empty()) return tokens;
  const absl::StatusOr<std::vector<std::string>> lines = ReadLines(file);
  if (!lines.ok()) return lines.status();
  for (size_t i = 0; i < lines->size(); ++i) {
    const std::string& line = (*lines)[i];
    if (line.empty() || line[0] == '#') continue;
    const size_t gap = std::min(line.find_first_of(" \t"), line.size());
    const absl::StatusOr<SourceUrl> folder = ParseSourceFolder(line.substr(0, gap));
    const std::string token(absl::StripAsciiWhitespace(line.substr(gap)));
    if (!folder.ok() || folder->scheme != "https" || !IsSecret(token))
      return WrongLine(file, i, "https://host/folder/ TOKEN");
    tokens.tokens_.emplace_back(*folder, token);
  }
  return tokens;
}

std::string BearerTokens::For(const SourceUrl& url) const {
  const std::pair<SourceUrl, std::string>* best = nullptr;
  for (const auto& entry : tokens_) {
    if (IsWithin(url, entry.first) && (best == nullptr || entry.first.path.size() > best->first.path.size()))
      best = &entry;
  }
  return best != nullptr ? best->second : "";
}

absl::StatusOr<std::optional<S3Credentials>> ReadS3Credentials(const fs::path& file) {
  S3Credentials credentials;
  if (file.empty()) {
    credentials = {Variable("AWS_ACCESS_KEY_ID"), Variable("AWS_SECRET_ACCESS_KEY"),
                   Variable("AWS_SESSION_TOKEN")};
    if (credentials.access_key_id.empty() && credentials.secret_access_key.empty()) return std::nullopt;
    return CheckComplete(std::move(credentials), "The environment");
  }
  const absl::StatusOr<std::vector<std::string>> lines = ReadLines(file);
  if (!lines.ok()) return lines.status();
  bool in_default = false;
  for (const std::string& line : *lines) {
    if (line.starts_with('[')) in_default = line == "[default]";
    const size_t equals = line.find('=');
    if (!in_default || equals == std::string::npos) continue;
    const std::string key(absl::StripAsciiWhitespace(line.substr(0, equals)));
    const std::string value(absl::StripAsciiWhitespace(line.substr(equals + 1)));
    if (key == "aws_access_key_id") credentials.access_key_id = value;
    if (key == "aws_secret_access_key") credentials.secret_access_key = value;
    if (key == "aws_session_token") credentials.session_token = value;
  }
  return CheckComplete(std::move(credentials), file.string());
}

}  // namespace kprune
