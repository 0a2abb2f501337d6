// Reads the fields of one JSON object with their types checked, and remembers the first thing that was wrong,
// so that a reader of ten fields checks one status.
#ifndef KPRUNE_ENGINE_FORMATS_JSON_FIELDS_H_
#define KPRUNE_ENGINE_FORMATS_JSON_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Not thread-safe. Borrows `object`. After an error every getter still returns a value (its fallback): look
// at status() before believing any.
class JsonFields {
 public:
  // `what` begins every message, e.g. "model/tokenizer.json: normalizer". An `object` that is no object is an
  // error.
  JsonFields(const nlohmann::json& object, std::string_view what);

  // Absent and null fields give the fallback; fields of another type are errors.
  bool Bool(std::string_view key, bool fallback);
  std::optional<bool> OptionalBool(std::string_view key);
  std::string String(std::string_view key, std::string_view fallback);
  // A whole number from `least` to `most`; 3.0 is none.
  int64_t Int(std::string_view key, int64_t fallback, int64_t least, int64_t most);

  // The field's value; nullptr where it is absent or null.
  const nlohmann::json* Find(std::string_view key) const;
  // The same, but absence is an error.
  const nlohmann::json* Require(std::string_view key);

  // Adds an INVALID_ARGUMENT error of the caller's own, "what.key problem", unless there was one.
  void Refuse(std::string_view key, std::string_view problem);

  const absl::Status& status() const { return status_; }
  // "what.key"
  std::string Name(std::string_view key) const;

 private:
  const nlohmann::json& object_;
  const std::string what_;
  absl::Status status_;
};

// A JSON value for an error message: kind and, where it is short, text.
std::string Described(const nlohmann::json& value);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_JSON_FIELDS_H_
