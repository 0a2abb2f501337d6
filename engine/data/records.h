// The records of a data file: whatever its format, one object of named fields after the other.
//
// By the name's extension, behind which may be .gz or .zst, but for Parquet:
//   .jsonl, .ndjson   a line each
//   .json             an item each: of an array of objects, of an object that has one as "data", or of the
//                     articles of SQuAD, whose questions are the items; or as .jsonl, where the first line is
//                     an object
//   .csv, .tsv        a row each; the first row names the columns
//   .txt              a line each, whose field is "text"; for kTokenClass as .conll where it has tagged
//   columns .conll            a sentence each, whose fields are "tokens", the first column, and "tags", the
//   last one of
//                     several
//   .parquet          a row each, where libparquet is built in
//
// Models of images read .jsonl alone, whose lines may have kMaxPictureLineBytes.
#ifndef KPRUNE_ENGINE_DATA_RECORDS_H_
#define KPRUNE_ENGINE_DATA_RECORDS_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/data/samples.h"
#include "nlohmann/json.hpp"

namespace kprune {

// One record as the file has it: its fields are parsed only where they are wanted.
struct Record {
  int64_t number = 0;  // of the file, from 1
  std::string text;
  absl::Status fault = {};    // why it cannot be parsed; nothing is said of it where it is not wanted
  const char* unit = "line";  // what is counted: "line", "row" or "item"
};

// INVALID_ARGUMENT where a record (a "line", "row", ...) has more bytes than that.
absl::Status CheckRecordSize(const char* what, int64_t bytes, int64_t most = kMaxLineBytes);

// Reads a file from its first to its last record, in memory that does not grow with the file.
class RecordSource {
 public:
  virtual ~RecordSource() = default;

  // To the next record; false at the end. INVALID_ARGUMENT, naming file and place, where the file cannot be
  // read on. Not thread-safe, nor is Current.
  virtual absl::StatusOr<bool> Next() = 0;

  // A copy of the current record.
  virtual Record Current() const = 0;

  // The fields of a record of this file: an object. Errors have no place in front. Thread-safe.
  virtual absl::StatusOr<nlohmann::json> Fields(const Record& record) const = 0;
};

// Opens a data file, but no safetensors, by its name's extension. Errors name the file.
absl::StatusOr<std::unique_ptr<RecordSource>> OpenRecords(const std::filesystem::path& path,
                                                          const SampleLimits& limits);

// "data/dev.jsonl, line 7", "data/ids.safetensors, row 7"
std::string PlaceOf(const std::filesystem::path& path, const char* unit, int64_t number);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_RECORDS_H_
