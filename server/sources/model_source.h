// A folder of a model's files somewhere else: the seam between what to fetch and where from. An https folder
// cannot be listed, so files are asked for by name; an S3 prefix and a hub repository are listed when they
// are opened.
#ifndef KPRUNE_SERVER_SOURCES_MODEL_SOURCE_H_
#define KPRUNE_SERVER_SOURCES_MODEL_SOURCE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/sources/source_reader.h"
#include "server/sources/source_url.h"

namespace kprune {

struct SourceFile {
  SourceUrl url;
  std::optional<int64_t> size_bytes;
  // What the source says of its bytes; empty: nothing.
  std::string sha256;
  // The source says that it is there. Else reading it shows (NOT_FOUND).
  bool is_known = false;
};

// Thread-safe: immutable once opened.
class ModelSource {
 public:
  virtual ~ModelSource() = default;

  // The file of that name (config.json, 1_Pooling/config.json). nullopt: the source knows that it has none.
  virtual std::optional<SourceFile> Find(std::string_view name) const = 0;
};

// A folder that a web server serves.
std::unique_ptr<ModelSource> OpenHttpModelSource(const SourceUrl& folder);

// Objects below a prefix of a bucket, addressed in path style at `endpoint`; listed with ListObjectsV2.
// Errors are those of SourceReader, and FAILED_PRECONDITION where the list cannot be understood or is too
// long.
absl::StatusOr<std::unique_ptr<ModelSource>> OpenS3ModelSource(SourceReader& reader,
                                                               const SourceUrl& endpoint,
                                                               const SourceUrl& folder);
// What requests to a bucket at `endpoint` are within.
SourceUrl S3BucketUrl(const SourceUrl& endpoint, std::string_view bucket);

// A repository of a model hub that speaks the Hugging Face Hub's API (api/models/ID/revision/REV,
// ID/resolve/REV/FILE) below `mirror`. Files are those of the commit that the revision names now; the digests
// of large ones are the hub's. Errors as above.
absl::StatusOr<std::unique_ptr<ModelSource>> OpenHubModelSource(SourceReader& reader, const SourceUrl& mirror,
                                                                std::string_view id,
                                                                std::string_view revision);

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_MODEL_SOURCE_H_
