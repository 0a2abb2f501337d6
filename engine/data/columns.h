// Which field of a record is what: by the names that data sets have (column_names.h), or by
// SampleLimits::columns. Thread-safe: pure functions and immutable values.
#ifndef KPRUNE_ENGINE_DATA_COLUMNS_H_
#define KPRUNE_ENGINE_DATA_COLUMNS_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/data/samples.h"
#include "nlohmann/json.hpp"

namespace kprune {

// One field, and what the file calls it.
struct Column {
  std::string name;
  nlohmann::json value;
};

// What a record holds, by role (kColumnRoles of kprune/options.h).
class RecordFields {
 public:
  // INVALID_ARGUMENT, without a place in front, where `record` is no object, where several of its fields
  // could be one role, where one that limits.columns names is missing, and where a role that the kind needs
  // is missing or null.
  static absl::StatusOr<RecordFields> Of(nlohmann::json record, const SampleLimits& limits);

  // nullptr where the record has none, or null.
  const Column* Find(std::string_view role) const;

 private:
  std::map<std::string, Column, std::less<>> columns_;
};

// Whether data sets of the kind call a field so.
bool IsKnownColumn(std::string_view name, LabelKind kind);

// INVALID_ARGUMENT where limits.columns has a role that the kind does not have.
absl::Status CheckColumns(const SampleLimits& limits);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_COLUMNS_H_
