// Which of the user's files go to the server, and under which names.
#ifndef KPRUNE_CLIENT_MANIFEST_H_
#define KPRUNE_CLIENT_MANIFEST_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kprune/v1/job.pb.h"

namespace kprune::client {

// A file on this machine and the name that it has in a manifest.
struct NamedFile {
  std::string name;
  std::filesystem::path path;
  int64_t size_bytes = 0;
};

struct ModelFiles {
  std::vector<NamedFile> files;       // sorted by name
  std::vector<std::string> left_out;  // what else lies in the folder; sorted
};

// The files of a Hugging Face folder that a model's manifest may contain (kprune/layout.h), also
// N_Pooling/config.json. Errors: INVALID_ARGUMENT where the folder has no config.json or no
// model*.safetensors; a folder that has its weights only as pickle or .bin is told "safetensors only".
absl::StatusOr<ModelFiles> FindModelFiles(const std::filesystem::path& folder);

// Names for data files: each one's own name, or data-N with its ending (data-2.csv.gz) where that is not
// allowed or is taken. Errors: INVALID_ARGUMENT where a file is empty or has none of DataEndings.
absl::StatusOr<std::vector<NamedFile>> NameDataFiles(const std::vector<std::string>& paths);

// The manifest entry of a file; reads it to the end for its digest.
absl::StatusOr<kprune::v1::File> Describe(const NamedFile& file);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_MANIFEST_H_
