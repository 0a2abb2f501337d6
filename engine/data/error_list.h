// What is wrong with the data, all of it in one status.
#ifndef KPRUNE_ENGINE_DATA_ERROR_LIST_H_
#define KPRUNE_ENGINE_DATA_ERROR_LIST_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace kprune {

// So many errors are listed; more are counted.
inline constexpr int64_t kListedErrors = 10;

// Collects the errors of records in the order in which they are added. Not thread-safe.
class ErrorList {
 public:
  // Of a record, by its unit and number (records.h); `error` has no place in front.
  void Add(const std::filesystem::path& path, const char* unit, int64_t number, const absl::Status& error);
  // Of a file, which it names itself.
  void Add(const absl::Status& error);

  bool empty() const { return count_ == 0; }

  // "a.jsonl, line 3: text is empty; lines 7, 9: label is ...; b.csv, line 2: ...; and 240 more", with the
  // code of the first; OK where there is none. Records one after the other with the same error are told of
  // together. At most about 4,000 bytes.
  absl::Status status() const;

 private:
  struct Entry {
    std::filesystem::path path;
    std::string unit;
    std::vector<int64_t> numbers;  // none: the problem names its place
    std::string problem;
  };

  void Count(absl::StatusCode code);

  std::vector<Entry> entries_;
  int64_t count_ = 0, listed_ = 0;
  absl::StatusCode code_ = absl::StatusCode::kOk;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_ERROR_LIST_H_
