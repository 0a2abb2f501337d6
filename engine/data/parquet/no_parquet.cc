// What stands in for parquet_records.cc where libparquet was not found.
#include "absl/strings/str_cat.h"
#include "engine/data/record_files.h"

namespace kprune {

OpenedRecords OpenParquet(const std::filesystem::path& path) {
  return absl::UnimplementedError(
      absl::StrCat(path.string(),
                   " is Parquet, which this build does not read: run scripts/setup.sh, which fetches "
                   "libparquet, and build again, or give .jsonl or .csv"));
}

}  // namespace kprune
