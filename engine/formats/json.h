// Strict JSON for files that strangers wrote. nlohmann's own parser keeps the last of duplicate keys and
// takes any depth; this reader refuses both. Thread-safe: pure functions.
#ifndef KPRUNE_ENGINE_FORMATS_JSON_H_
#define KPRUNE_ENGINE_FORMATS_JSON_H_

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Objects and arrays may be nested this deep.
inline constexpr int kMaxJsonDepth = 64;

// Largest JSON file that ReadJsonFile takes (a tokenizer.json with a large vocabulary has some 20 MB).
inline constexpr int64_t kMaxJsonFileBytes = int64_t{128} << 20;

// Parses one JSON document. INVALID_ARGUMENT, in one sentence that begins with `what` (a file name, "file,
// line 7", ...), for duplicate keys, nesting over kMaxJsonDepth, anything after the document, invalid UTF-8,
// and numbers that overflow a double. Numbers keep their kind: 1.0 is a float and is_number_integer() tells
// it from 1.
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, std::string_view what);

// Reads and parses a file; `what` is its path. NOT_FOUND where there is none, INVALID_ARGUMENT where it is
// over `max_bytes` or not JSON.
absl::StatusOr<nlohmann::json> ReadJsonFile(const std::filesystem::path& path,
                                            int64_t max_bytes = kMaxJsonFileBytes);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_JSON_H_
