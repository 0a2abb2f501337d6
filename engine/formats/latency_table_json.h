// kprune::LatencyTable from and to the proto3 JSON of kprune.v1.LatencyTable. Thread-safe: pure.
#ifndef KPRUNE_ENGINE_FORMATS_LATENCY_TABLE_JSON_H_
#define KPRUNE_ENGINE_FORMATS_LATENCY_TABLE_JSON_H_

#include "absl/status/statusor.h"
#include "kprune/latency_table.h"
#include "nlohmann/json.hpp"

namespace kprune {

// INVALID_ARGUMENT names the field: a table has rising widths from 0 on, at least two of each kind; one row
// or more of rising lengths; and in every row rising costs, one a width, the first 0.
absl::StatusOr<LatencyTable> ParseLatencyTable(const nlohmann::json& json);

nlohmann::json ToJson(const LatencyTable& table);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_LATENCY_TABLE_JSON_H_
