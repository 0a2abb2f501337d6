// Fetches the files of a result, each from where the last try stopped, and checks every digest.
#ifndef KPRUNE_CLIENT_DOWNLOADER_H_
#define KPRUNE_CLIENT_DOWNLOADER_H_

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "client/backoff.h"
#include "client/connection.h"
#include "client/part_file.h"
#include "client/transfer_display.h"
#include "kprune/v1/job.pb.h"

namespace kprune::client {

// Not thread-safe. A connection that breaks is tried again until `backoff` gives up; bytes that came count as
// a success for it.
class Downloader {
 public:
  // Of the artifacts of `tenant`; empty: of the caller's own. All references must outlive the downloader.
  Downloader(const Connection& connection, TransferDisplay& display, const BackoffOptions& backoff,
             std::string tenant = "")
      : connection_(connection), display_(display), backoff_(backoff), tenant_(std::move(tenant)) {}

  // Afterwards `folder` has every one of `files` under its name, with the right digest, on disk. What
  // `folder` has of them already is kept: finished files, and NAME.part of unfinished ones. Errors: those of
  // ArtifactService.Download; DATA_LOSS where the bytes that came do not have the digest; INVALID_ARGUMENT
  // where a name is not one of a result.
  absl::Status DownloadAll(const std::vector<kprune::v1::File>& files, const std::filesystem::path& folder);

 private:
  absl::Status DownloadOne(const kprune::v1::File& file, const std::filesystem::path& target);
  // One try, from what `part` has on.
  absl::Status TryDownload(const kprune::v1::File& file, PartFile& part);

  const Connection& connection_;
  TransferDisplay& display_;
  const BackoffOptions backoff_;
  const std::string tenant_;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_DOWNLOADER_H_
