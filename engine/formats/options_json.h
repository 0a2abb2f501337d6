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
// "3", a number "0.5", and a list of one number without its brackets; "NaN" and "Infinity" are refused.
// INVALID_ARGUMENT names the field, what was found and what is accepted: unknown fields, wrong types, and
// everything that ValidateOptions refuses.
absl::StatusOr<Options> ParseOptions(const nlohmann::json& json);

// INVALID_ARGUMENT where a value is not in its table or range (include/kprune/options.h).
absl::Status ValidateOptions(const Options& options);

// Every field, also those at their defaults; left out are unset `mu`, `normalize`, `max_drop`,
// `target_latency_ms` and `latency_table`, and `keep_flops` where one of these is set.
// ParseOptions(ToJson(o)) means the same as o.
nlohmann::json ToJson(const Options& options);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_OPTIONS_JSON_H_
