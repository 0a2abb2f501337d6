// Fetches the model that a URI names: whether the operator allows it, which files of a folder are a model,
// and every limit on the way.
//
// Fetched are the names of include/kprune/layout.h that the folder has: config.json, the tokenizer's files,
// modules.json with its poolings, and model.safetensors or, where there is none, its index and the shards
// that the index names. Nothing else is ever asked for, so no pickle is. Where the folder has a file
// SHA256SUMS, only what that names is fetched, and must have its digest.
#ifndef KPRUNE_SERVER_SOURCES_MODEL_FETCHER_H_
#define KPRUNE_SERVER_SOURCES_MODEL_FETCHER_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kprune/clock.h"
#include "server/sources/fetch_tally.h"
#include "server/sources/fetched_model.h"
#include "server/sources/http_client.h"
#include "server/sources/model_source.h"
#include "server/sources/model_uri.h"
#include "server/sources/source_allow_list.h"

namespace kprune {

struct ModelFetcherOptions {
  // What may be fetched; nothing unless it is set here.
  SourceAllowList allowed;
  std::optional<SourceUrl> hub_mirror;
  // Where buckets are, and the region that requests are signed for.
  SourceUrl s3_endpoint;
  std::string s3_region = "us-east-1";

  // Read again for every fetch, so they can be replaced while the server runs.
  std::filesystem::path tokens_file;          // empty: no tokens
  std::filesystem::path s3_credentials_file;  // empty: the environment's

  int64_t max_file_bytes = int64_t{64} << 30;
  int64_t max_model_bytes = int64_t{16} << 30;
  int64_t max_files = 256;
  // A fetch is refused when it would leave less free disk than this.
  int64_t disk_low_bytes = 0;
  // A whole fetch.
  absl::Duration time_limit = absl::Hours(1);
};

// What a fetch tells of itself, at least ten times a second and when it has ended. False ends the fetch.
using FetchProgress = std::function<bool(const FetchTally& tally)>;

// Thread-safe; fetches may run side by side and share nothing.
class ModelFetcher {
 public:
  // `make_client` is asked for every fetch. `clock` is borrowed.
  ModelFetcher(ModelFetcherOptions options, std::function<std::unique_ptr<HttpClient>()> make_client,
               Clock& clock);

  // Whether the URI may be fetched, without asking its host: INVALID_ARGUMENT (it is none), PERMISSION_DENIED
  // (it is not allowed).
  absl::StatusOr<ModelUri> Check(std::string_view uri) const;

  // Fetches into `folder`, which is made. Errors: those of Check; NOT_FOUND (no such folder, or a file is
  // missing), PERMISSION_DENIED (credentials, redirects, addresses), RESOURCE_EXHAUSTED (a size limit, the
  // disk), DATA_LOSS (a digest), DEADLINE_EXCEEDED (the time limit), UNAVAILABLE (its host, after several
  // tries), INVALID_ARGUMENT (a file is empty or an index is none), FAILED_PRECONDITION, CANCELLED.
  absl::StatusOr<FetchedModel> Fetch(std::string_view uri, const std::filesystem::path& folder,
                                     const FetchProgress& progress) const;

  // What the operator allows, for people: "https://host/folder/", "hub:".
  std::vector<std::string> AllowedSources() const;

 private:
  absl::StatusOr<SourceAccess> AccessFor(const ModelUri& uri) const;
  absl::StatusOr<std::unique_ptr<ModelSource>> Open(const ModelUri& uri, SourceReader& reader) const;

  const ModelFetcherOptions options_;
  const std::function<std::unique_ptr<HttpClient>()> make_client_;
  Clock& clock_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_MODEL_FETCHER_H_
