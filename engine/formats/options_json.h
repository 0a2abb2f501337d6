// kprune::Options from and to the proto3 JSON of kprune.v1.Options with original field names, as in job.json.
// Thread-safe: pure.
#ifndef KPRUNE_ENGINE_FORMATS_OPTIONS_JSON_H_
#define KPRUNE_ENGINE_FORMATS_OPTIONS_JSON_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/options.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Fields that are absent or null take their defaults. As in proto3 JSON, an integer may be written 3, 3.0 or
// "3", and a number "0.5"; "NaN" and "Infinity" are refused. INVALID_ARGUMENT names the field, what was found
// and what is accepted: unknown fields, wrong types, and everything that ValidateOptions refuses.
absl::StatusOr<Options> ParseOptions(const nlohmann::json& json);

// INVALID_ARGUMENT where a value is not in its table or range (include/kprune/options.h).
absl::Status ValidateOptions(const Options& options);

// Every field, also those at their defaults; only unset `mu` and `normalize` are left out.
// ParseOptions(ToJson(o)) equals o.
nlohmann::json ToJson(const Options& options);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_OPTIONS_JSON_H_
