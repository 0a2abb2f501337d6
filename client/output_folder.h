// The folder that --output names: checked before the work, filled in one step after it.
#ifndef KPRUNE_CLIENT_OUTPUT_FOLDER_H_
#define KPRUNE_CLIENT_OUTPUT_FOLDER_H_

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace kprune::client {

struct OutputFolder {
  std::filesystem::path path;  // absolute, without a trailing slash
  bool overwrite = false;      // may replace an earlier result

  OutputFolder(const std::string& name, bool may_overwrite);
};

// Whether `file` is the output folder or inside it.
bool Holds(const OutputFolder& output, const std::filesystem::path& file);

// Refuses, in one sentence: a path that is not a folder; a folder that is not empty (with overwrite: one that
// is not an earlier result, which has a report.json); a mount point, which cannot be replaced by a rename; a
// folder that holds one of `inputs`.
absl::Status CheckOutput(const OutputFolder& output, const std::vector<std::string>& inputs);

// Makes `from` the output folder by one rename, so that it is never seen half filled; an earlier result is
// moved aside first and removed afterwards. Across file systems `from` is copied beside the output first.
// `from` is gone afterwards.
absl::Status Publish(const std::filesystem::path& from, const OutputFolder& output);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_OUTPUT_FOLDER_H_
