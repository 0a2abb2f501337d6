// One function for each format. Used by OpenRecords.
#ifndef KPRUNE_ENGINE_DATA_RECORD_FILES_H_
#define KPRUNE_ENGINE_DATA_RECORD_FILES_H_

#include <filesystem>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/data/records.h"

namespace kprune {

using OpenedRecords = absl::StatusOr<std::unique_ptr<RecordSource>>;

// Longer lines cannot be parsed.
OpenedRecords OpenJsonl(const std::filesystem::path& path, int64_t most_line_bytes = kMaxLineBytes);
OpenedRecords OpenJson(const std::filesystem::path& path);
OpenedRecords OpenPlainText(const std::filesystem::path& path);
OpenedRecords OpenConll(const std::filesystem::path& path);
// UNIMPLEMENTED where libparquet is not built in.
OpenedRecords OpenParquet(const std::filesystem::path& path);

// Whether the first sentence of a text is as CoNLL has it: as many columns in every line, two or more, and
// tags or classes of the model in the last one.
absl::StatusOr<bool> HasTaggedColumns(const std::filesystem::path& path, const SampleLimits& limits);

// `.csv`: fields are separated by the one of , ; | and tab that the first row has most of, and may be quoted
// as RFC 4180 says, also over line ends. `.tsv`: by tabs; a field is unquoted where it was well quoted, and
// ends with its line. The first row names the columns where it has a known name (columns.h) or one of
// limits.columns; where all of limits.columns are numbers, columns are called "1", "2", ... INVALID_ARGUMENT
// where neither is so.
OpenedRecords OpenTable(const std::filesystem::path& path, const SampleLimits& limits);

// INVALID_ARGUMENT where a text, which `what` names, is not UTF-8 or has a NUL.
absl::Status CheckUtf8(std::string_view text, std::string_view what);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_RECORD_FILES_H_
