#include "server/model_sources.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/sources/curl_http_client.h"
#include "server/sources/source_credentials.h"

namespace kprune {
namespace {

absl::StatusOr<SourceUrl> ParseFolderOf(std::string_view text, bool http_too) {
  absl::StatusOr<SourceUrl> url = ParseSourceFolder(text);
  if (!url.ok())
    return absl::InvalidArgumentError(absl::StrCat("the URL is refused: ", url.status().message()));
  if (url->scheme == "https" || (http_too && url->scheme == "http")) return url;
  return absl::InvalidArgumentError(
      absl::StrCat(url->scheme, " is not accepted; accepted is https", http_too ? " or http" : ""));
}

absl::StatusOr<ModelFetcherOptions> OptionsOf(const ServerFlags& flags) {
  ModelFetcherOptions options;
  absl::StatusOr<SourceAllowList> allowed = SourceAllowList::Parse(flags.model_source_allow);
  if (!allowed.ok()) return allowed.status();
  options.allowed = *std::move(allowed);
  if (!flags.hub_mirror.empty()) {
    absl::StatusOr<SourceUrl> mirror = ParseHubMirror(flags.hub_mirror);
    if (!mirror.ok()) return mirror.status();
    options.hub_mirror = *std::move(mirror);
  }
  absl::StatusOr<SourceUrl> endpoint = ParseS3Endpoint(
      flags.s3_endpoint.empty() ? absl::StrCat("https://s3.", flags.s3_region, ".amazonaws.com/")
                                : flags.s3_endpoint);
  if (!endpoint.ok()) return endpoint.status();
  options.s3_endpoint = *std::move(endpoint);
  options.s3_region = flags.s3_region;
  options.tokens_file = flags.model_source_tokens_file;
  options.s3_credentials_file = flags.s3_credentials_file;
  options.max_file_bytes = flags.max_artifact_bytes;
  options.max_model_bytes = flags.max_model_bytes;
  options.max_files = flags.max_files;
  options.disk_low_bytes = flags.disk_low_bytes;
  options.time_limit = absl::Seconds(flags.model_fetch_seconds);
  return options;
}

absl::StatusOr<CurlHttpClientOptions> ClientOptionsOf(const ServerFlags& flags) {
  CurlHttpClientOptions options;
  absl::StatusOr<AddressRules> addresses = AddressRules::Parse(flags.model_source_networks);
  if (!addresses.ok()) return addresses.status();
  options.addresses = *std::move(addresses);
  options.ca_file = flags.model_source_ca_file;
  options.stall_timeout = absl::Seconds(flags.model_fetch_stall_seconds);
  return options;
}

}  // namespace

absl::StatusOr<SourceUrl> ParseHubMirror(std::string_view text) {
  return ParseFolderOf(text, /*http_too=*/false);
}

absl::StatusOr<SourceUrl> ParseS3Endpoint(std::string_view text) {
  return ParseFolderOf(text, /*http_too=*/true);
}

absl::StatusOr<std::string> ParseS3Region(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::islower(c) || std::isdigit(c) || c == '-';
  });
  if (plain && !text.empty()) return std::string(text);
  return absl::InvalidArgumentError(
      "a region is lower-case letters, digits and dashes, such as eu-central-1");
}

absl::StatusOr<std::unique_ptr<ModelFetcher>> MakeModelFetcher(const ServerFlags& flags, Clock& clock) {
  absl::StatusOr<ModelFetcherOptions> options = OptionsOf(flags);
  if (!options.ok()) return options.status();
  absl::StatusOr<CurlHttpClientOptions> client = ClientOptionsOf(flags);
  if (!client.ok()) return client.status();
  absl::Status readable = BearerTokens::FromFile(flags.model_source_tokens_file).status();
  readable.Update(ReadS3Credentials(flags.s3_credentials_file).status());
  if (!readable.ok()) return readable;
  return std::make_unique<ModelFetcher>(
      *std::move(options), [client = *std::move(client)] { return MakeCurlHttpClient(client); }, clock);
}

}  // namespace kprune
