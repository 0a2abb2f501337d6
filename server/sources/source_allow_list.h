// The folders that an operator lets this server fetch from: --model-source-allow. Nothing is allowed that is
// not in it; an empty list allows nothing.
#ifndef KPRUNE_SERVER_SOURCES_SOURCE_ALLOW_LIST_H_
#define KPRUNE_SERVER_SOURCES_SOURCE_ALLOW_LIST_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/sources/source_url.h"

namespace kprune {

// Thread-safe: immutable.
class SourceAllowList {
 public:
  // Allows nothing.
  SourceAllowList() = default;

  // Folders (https://host/folder/, s3://bucket/prefix/) separated by commas or spaces. INVALID_ARGUMENT names
  // the entry that is none.
  static absl::StatusOr<SourceAllowList> Parse(std::string_view text);

  // Whether `url` is one of the folders or below one: scheme, host and port alike, the path beginning so.
  bool Allows(const SourceUrl& url) const;

  const std::vector<SourceUrl>& folders() const { return folders_; }

 private:
  std::vector<SourceUrl> folders_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_SOURCE_ALLOW_LIST_H_
