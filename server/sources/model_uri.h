// What a job may name instead of uploaded files:
//   https://host/folder/          a folder that a web server serves
//   s3://bucket/prefix/           a folder of an S3-compatible store
//   hub:org/name[@revision]       a repository of the model hub's mirror; the revision is main where none is
//   given
// Pure functions and a plain value.
#ifndef KPRUNE_SERVER_SOURCES_MODEL_URI_H_
#define KPRUNE_SERVER_SOURCES_MODEL_URI_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/sources/source_url.h"

namespace kprune {

struct ModelUri {
  enum class Kind { kHttps, kS3, kHub };
  Kind kind = Kind::kHttps;
  // Of https and s3: the folder.
  SourceUrl folder;
  // Of hub: "org/name" (or "name") and the branch, tag or commit.
  std::string hub_id;
  std::string revision;

  // In its one normal form, for messages; it never holds a secret.
  std::string Text() const;
};

// INVALID_ARGUMENT: one sentence that begins with "spec.model_uri" and never quotes what may be a password.
absl::StatusOr<ModelUri> ParseModelUri(std::string_view text);

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_MODEL_URI_H_
