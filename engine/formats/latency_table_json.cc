#include "engine/formats/latency_table_json.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/formats/json_fields.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

constexpr char kTable[] = "latency_table";
constexpr int64_t kMostWidths = 4096, kMostRows = 64, kMostUnits = 1 << 20;

// Calls visit(name, field) for the fields of a table that are plain values.
template <typename Table, typename Visitor>
void VisitPlainFields(Table& table, Visitor&& visit) {
  visit("runtime", table.runtime);
  visit("device_name", table.device_name);
  visit("threads", table.threads);
  visit("batch_size", table.batch_size);
  visit("family", table.family);
  visit("num_layers", table.num_layers);
  visit("hidden_size", table.hidden_size);
  visit("head_dim", table.head_dim);
}

void Read(JsonFields& fields, const char* name, std::string& value) { value = fields.String(name, ""); }

void Read(JsonFields& fields, const char* name, int32_t& value) {
  value = static_cast<int32_t>(fields.Int(name, 0, 1, kMostUnits));
  if (fields.Find(name) == nullptr) fields.Refuse(name, "is missing");
}

// The items of a list; empty where it is none.
const Json& ListIn(JsonFields& fields, const char* name, int64_t most) {
  static const Json* const none = new Json(Json::array());
  const Json* const list = fields.Require(name);
  if (list != nullptr && list->is_array() && static_cast<int64_t>(list->size()) <= most) return *list;
  if (list != nullptr)
    fields.Refuse(name, absl::StrCat("is ", Described(*list), ", accepted is a list of at most ", most));
  return *none;
}

// Numbers that rise from 0 on.
template <typename Number>
std::vector<Number> Rising(JsonFields& fields, const char* name) {
  std::vector<Number> numbers;
  for (const Json& item : ListIn(fields, name, kMostWidths)) {
    const bool accepted = std::is_integral_v<Number> ? item.is_number_integer() : item.is_number();
    const double value = accepted ? item.get<double>() : std::numeric_limits<double>::quiet_NaN();
    if (!std::isfinite(value) ||
        (numbers.empty() ? value != 0 : value <= static_cast<double>(numbers.back()))) {
      fields.Refuse(name, absl::StrCat("has ", Described(item), " at ", numbers.size(),
                                       ", accepted are numbers that rise from 0"));
      break;
    }
    numbers.push_back(static_cast<Number>(value));
  }
  if (numbers.size() < 2) fields.Refuse(name, "has less than two numbers");
  return numbers;
}

absl::StatusOr<LatencyRow> ParseRow(const Json& json, size_t index, const LatencyTable& table) {
  JsonFields fields(json, absl::StrCat(kTable, ".rows[", index, "]"));
  if (!fields.status().ok()) return fields.status();
  LatencyRow row;
  row.tokens = fields.Int("tokens", 0, 1, kMostUnits);
  const int64_t below = index == 0 ? 0 : table.rows.back().tokens;
  if (row.tokens <= below) fields.Refuse("tokens", absl::StrCat("is not above ", below));
  const Json* const other = fields.Find("other_ms");  // proto3 JSON leaves zeros out
  row.other_ms = other == nullptr ? 0 : other->is_number() ? other->get<double>() : -1;
  if (!(row.other_ms >= 0 && std::isfinite(row.other_ms)))
    fields.Refuse("other_ms", "is not a number from 0 on");
  row.attention_ms = Rising<double>(fields, "attention_ms");
  row.feed_forward_ms = Rising<double>(fields, "feed_forward_ms");
  if (row.attention_ms.size() != table.heads.size())
    fields.Refuse("attention_ms",
                  absl::StrCat("does not have ", table.heads.size(), " numbers, as heads has"));
  if (row.feed_forward_ms.size() != table.neurons.size()) {
    fields.Refuse("feed_forward_ms",
                  absl::StrCat("does not have ", table.neurons.size(), " numbers, as neurons has"));
  }
  if (!fields.status().ok()) return fields.status();
  return row;
}

}  // namespace

absl::StatusOr<LatencyTable> ParseLatencyTable(const Json& json) {
  JsonFields fields(json, kTable);
  if (!fields.status().ok()) return fields.status();
  LatencyTable table;
  VisitPlainFields(table, [&](const char* name, auto& field) { Read(fields, name, field); });
  table.heads = Rising<int64_t>(fields, "heads");
  table.neurons = Rising<int64_t>(fields, "neurons");
  if (!fields.status().ok()) return fields.status();
  for (const Json& item : ListIn(fields, "rows", kMostRows)) {
    absl::StatusOr<LatencyRow> row = ParseRow(item, table.rows.size(), table);
    if (!row.ok()) return row.status();
    table.rows.push_back(*std::move(row));
  }
  if (table.rows.empty()) fields.Refuse("rows", "is empty");
  if (!fields.status().ok()) return fields.status();
  return table;
}

Json ToJson(const LatencyTable& table) {
  Json json = Json::object();
  VisitPlainFields(table, [&](const char* name, const auto& field) { json[name] = field; });
  json["heads"] = table.heads;
  json["neurons"] = table.neurons;
  json["rows"] = Json::array();
  for (const LatencyRow& row : table.rows) {
    json["rows"].push_back({{"tokens", row.tokens},
                            {"other_ms", row.other_ms},
                            {"attention_ms", row.attention_ms},
                            {"feed_forward_ms", row.feed_forward_ms}});
  }
  return json;
}

}  // namespace kprune
