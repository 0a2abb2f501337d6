#include "server/sources/model_fetcher.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/sources/folder_fetch.h"

namespace kprune {

ModelFetcher::ModelFetcher(ModelFetcherOptions options,
                           std::function<std::unique_ptr<HttpClient>()> make_client, Clock& clock)
    : options_(std::move(options)), make_client_(std::move(make_client)), clock_(clock) {}

std::vector<std::string> ModelFetcher::AllowedSources() const {
  std::vector<std::string> sources;
  for (const SourceUrl& folder : options_.allowed.folders()) sources.push_back(folder.Shown());
  if (options_.hub_mirror) sources.push_back("hub:");
  return sources;
}

absl::StatusOr<ModelUri> ModelFetcher::Check(std::string_view text) const {
  absl::StatusOr<ModelUri> uri = ParseModelUri(text);
  if (!uri.ok()) return uri;
  if (uri->kind == ModelUri::Kind::kHub) {
    if (options_.hub_mirror) return uri;
    return absl::PermissionDeniedError(
        absl::StrCat("spec.model_uri ", uri->Text(),
                     " is refused: this server has no mirror of the hub; upload the model's folder, or ask "
                     "its operator to set --hub-mirror."));
  }
  if (options_.allowed.Allows(uri->folder)) return uri;
  return absl::PermissionDeniedError(
      absl::StrCat("spec.model_uri ", uri->Text(), " is refused: this server may not fetch from there",
                   options_.allowed.folders().empty() ? " (nor from anywhere else)" : "",
                   "; upload the model's folder, or ask its operator to add it to --model-source-allow."));
}

absl::StatusOr<SourceAccess> ModelFetcher::AccessFor(const ModelUri& uri) const {
  SourceAccess access;
  access.allowed = options_.allowed;
  absl::StatusOr<BearerTokens> tokens = BearerTokens::FromFile(options_.tokens_file);
  if (!tokens.ok()) return tokens.status();
  access.tokens = *std::move(tokens);
  switch (uri.kind) {
    case ModelUri::Kind::kHttps:
      access.home = uri.folder;
      break;
    case ModelUri::Kind::kHub:
      access.home = *options_.hub_mirror;
      break;
    case ModelUri::Kind::kS3: {
      absl::StatusOr<std::optional<S3Credentials>> s3 = ReadS3Credentials(options_.s3_credentials_file);
      if (!s3.ok()) return s3.status();
      access.s3 = *std::move(s3);
      access.region = options_.s3_region;
      access.home = S3BucketUrl(options_.s3_endpoint, uri.folder.host);
      break;
    }
  }
  return access;
}

absl::StatusOr<std::unique_ptr<ModelSource>> ModelFetcher::Open(const ModelUri& uri,
                                                                SourceReader& reader) const {
  if (uri.kind == ModelUri::Kind::kS3) return OpenS3ModelSource(reader, options_.s3_endpoint, uri.folder);
  if (uri.kind == ModelUri::Kind::kHub)
    return OpenHubModelSource(reader, *options_.hub_mirror, uri.hub_id, uri.revision);
  return OpenHttpModelSource(uri.folder);
}

absl::StatusOr<FetchedModel> ModelFetcher::Fetch(std::string_view text, const std::filesystem::path& folder,
                                                 const FetchProgress& progress) const {
  const absl::StatusOr<ModelUri> uri = Check(text);
  if (!uri.ok()) return uri.status();
  absl::StatusOr<SourceAccess> access = AccessFor(*uri);
  if (!access.ok()) return access.status();
  const absl::Time deadline = clock_.Steady() + options_.time_limit;
  bool too_late = false;
  FetchTally tally;
  const std::unique_ptr<HttpClient> client = make_client_();
  SourceReader reader(*client, *std::move(access), clock_, [&] {
    too_late = clock_.Steady() >= deadline;
    return !too_late && progress(tally);
  });
  const auto fetch = [&]() -> absl::StatusOr<FetchedModel> {
    absl::StatusOr<std::unique_ptr<ModelSource>> source = Open(*uri, reader);
    if (!source.ok()) return source.status();
    const FetchLimits limits = {options_.max_file_bytes, options_.max_model_bytes, options_.max_files,
                                options_.disk_low_bytes};
    return FolderFetch(reader, **source, uri->Text(), limits, tally).Run(folder);
  };
  absl::StatusOr<FetchedModel> model = fetch();
  progress(tally);
  if (!absl::IsCancelled(model.status()) || !too_late) return model;
  return absl::DeadlineExceededError(
      absl::StrCat("Fetching ", uri->Text(), " took longer than ", absl::FormatDuration(options_.time_limit),
                   " (--model-fetch-seconds); upload the model's folder instead."));
}

}  // namespace kprune
