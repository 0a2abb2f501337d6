// One fetch of one folder: the order of its files, and what each must be.
#ifndef KPRUNE_SERVER_SOURCES_FOLDER_FETCH_H_
#define KPRUNE_SERVER_SOURCES_FOLDER_FETCH_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/sources/fetch_tally.h"
#include "server/sources/fetched_model.h"
#include "server/sources/model_source.h"
#include "server/sources/source_reader.h"

namespace kprune {

struct FetchLimits {
  int64_t file_bytes = 0;
  int64_t model_bytes = 0;
  int64_t files = 0;
  int64_t disk_low_bytes = 0;
};

// Used by one thread; borrows everything.
class FolderFetch {
 public:
  // `name`: the source's, for messages.
  FolderFetch(SourceReader& reader, const ModelSource& source, std::string name, const FetchLimits& limits,
              FetchTally& tally);

  // Fetches the model into the new folder. Errors are those of ModelFetcher::Fetch.
  absl::StatusOr<FetchedModel> Run(const std::filesystem::path& folder);

 private:
  // Reads SHA256SUMS where there is one.
  absl::Status ReadChecksums();
  // The file of that name, with the digest that it must have.
  std::optional<SourceFile> Find(std::string_view name) const;
  // Fetches the file where the source has it; false: it has none.
  absl::StatusOr<bool> FetchOptional(std::string_view name, FetchedModel& model);
  // NOT_FOUND where the source has none.
  absl::Status FetchRequired(std::string_view name, FetchedModel& model);
  // The tokenizer and what else is small.
  absl::Status FetchSmallFiles(FetchedModel& model);
  absl::Status FetchModules(FetchedModel& model);
  absl::Status FetchWeights(FetchedModel& model);
  absl::Status FetchShards(FetchedModel& model);
  absl::Status FetchFile(const std::string& name, const SourceFile& file, FetchedModel& model);

  SourceReader& reader_;
  const ModelSource& source_;
  const std::string name_;
  const FetchLimits limits_;
  FetchTally& tally_;
  std::optional<std::map<std::string, std::string, std::less<>>> checksums_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_FOLDER_FETCH_H_
