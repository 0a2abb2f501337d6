// Sends files to the artifact store, each only if the server does not have it and from where the last try
// stopped.
#ifndef KPRUNE_CLIENT_UPLOADER_H_
#define KPRUNE_CLIENT_UPLOADER_H_

#include <cstdint>
#include <filesystem>
#include <vector>

#include "absl/status/status.h"
#include "client/backoff.h"
#include "client/connection.h"
#include "client/transfer_display.h"
#include "kprune/v1/job.pb.h"

namespace kprune::client {

struct FileToUpload {
  kprune::v1::File entry;
  std::filesystem::path path;
};

// Not thread-safe. A connection that breaks is tried again (QueryUpload tells where to go on) until `backoff`
// gives up; bytes that arrived count as a success for it.
class Uploader {
 public:
  // All references must outlive the uploader.
  Uploader(const Connection& connection, TransferDisplay& display, const BackoffOptions& backoff)
      : connection_(connection), display_(display), backoff_(backoff) {}

  // Afterwards the server has every one of `files`. Errors: those of ArtifactService.Upload; DATA_LOSS where
  // a file changed since its digest was taken.
  absl::Status UploadMissing(const std::vector<FileToUpload>& files);

 private:
  absl::Status UploadOne(const FileToUpload& file);
  // One try, from the committed size on, which it tells in `*committed`.
  absl::Status TryUpload(const FileToUpload& file, int64_t* committed);

  const Connection& connection_;
  TransferDisplay& display_;
  const BackoffOptions backoff_;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_UPLOADER_H_
